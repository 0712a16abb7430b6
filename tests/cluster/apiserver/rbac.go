package main

import (
	"context"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// rbacAuthorizer decides by the roles and bindings that are stored at the moment. It reads them for
// every decision: a test that has changed one need not wait. Kubernetes' own authorizer is not
// published as a library; its comparison of rules is.
type rbacAuthorizer struct {
	client rbacclient.RbacV1Interface
}

var (
	_ authorizer.Authorizer   = (*rbacAuthorizer)(nil)
	_ authorizer.RuleResolver = (*rbacAuthorizer)(nil)
)

// Authorize allows what a single rule of the user's roles covers.
func (r *rbacAuthorizer) Authorize(ctx context.Context, asked authorizer.Attributes) (authorizer.Decision, string, error) {
	rules, err := r.rules(ctx, asked.GetUser(), asked.GetNamespace())
	wanted := []rbacv1.PolicyRule{ruleOf(asked)}
	for _, rule := range rules {
		if covered, _ := validation.Covers([]rbacv1.PolicyRule{rule}, wanted); covered {
			return authorizer.DecisionAllow, "", nil
		}
	}
	if err != nil {
		return authorizer.DecisionNoOpinion, fmt.Sprintf("RBAC: %v", err), nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// RulesFor lists what a user may do in a namespace.
func (r *rbacAuthorizer) RulesFor(ctx context.Context, who user.Info, namespace string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	var onResources []authorizer.ResourceRuleInfo
	var onPaths []authorizer.NonResourceRuleInfo
	rules, err := r.rules(ctx, who, namespace)
	for _, rule := range rules {
		if len(rule.Resources) > 0 {
			onResources = append(onResources, &authorizer.DefaultResourceRuleInfo{
				Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources, ResourceNames: rule.ResourceNames,
			})
		}
		if len(rule.NonResourceURLs) > 0 {
			onPaths = append(onPaths, &authorizer.DefaultNonResourceRuleInfo{
				Verbs: rule.Verbs, NonResourceURLs: rule.NonResourceURLs,
			})
		}
	}
	return onResources, onPaths, false, err
}

// ruleOf is the smallest rule that allows what is asked.
func ruleOf(asked authorizer.Attributes) rbacv1.PolicyRule {
	rule := rbacv1.PolicyRule{Verbs: []string{asked.GetVerb()}}
	if !asked.IsResourceRequest() {
		rule.NonResourceURLs = []string{asked.GetPath()}
		return rule
	}
	resource := asked.GetResource()
	if asked.GetSubresource() != "" {
		resource += "/" + asked.GetSubresource()
	}
	rule.APIGroups, rule.Resources = []string{asked.GetAPIGroup()}, []string{resource}
	if asked.GetName() != "" {
		rule.ResourceNames = []string{asked.GetName()}
	}
	return rule
}

// rules are those of all roles that are bound to who, everywhere or in namespace. Roles that are not
// there are told as an error beside them.
func (r *rbacAuthorizer) rules(ctx context.Context, who user.Info, namespace string) ([]rbacv1.PolicyRule, error) {
	everywhere, err := r.client.ClusterRoleBindings().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var rules []rbacv1.PolicyRule
	var failures []error
	add := func(ref rbacv1.RoleRef, subjects []rbacv1.Subject, namespace string) {
		if !slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool { return is(s, who, namespace) }) {
			return
		}
		found, err := r.rulesOf(ctx, ref, namespace)
		rules = append(rules, found...)
		if err != nil {
			failures = append(failures, err)
		}
	}
	for _, binding := range everywhere.Items {
		add(binding.RoleRef, binding.Subjects, "")
	}
	if namespace != "" {
		inside, err := r.client.RoleBindings(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for _, binding := range inside.Items {
			add(binding.RoleRef, binding.Subjects, namespace)
		}
	}
	return rules, utilerrors.NewAggregate(failures)
}

// rulesOf are the rules of one role, as a binding in namespace refers to it.
func (r *rbacAuthorizer) rulesOf(ctx context.Context, ref rbacv1.RoleRef, namespace string) ([]rbacv1.PolicyRule, error) {
	if ref.Kind == "Role" {
		role, err := r.client.Roles(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return nil, missing("role", ref.Name, err)
		}
		return role.Rules, nil
	}
	role, err := r.client.ClusterRoles().Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, missing("clusterrole", ref.Name, err)
	}
	return r.resolved(ctx, role, sets.New[string]())
}

// resolved are the rules of a cluster role, or of all those that it aggregates, which may do so in
// turn. In a cluster, a controller writes them into the role.
func (r *rbacAuthorizer) resolved(ctx context.Context, role *rbacv1.ClusterRole, seen sets.Set[string]) ([]rbacv1.PolicyRule, error) {
	if role.AggregationRule == nil {
		return role.Rules, nil
	}
	if seen.Has(role.Name) {
		return nil, nil
	}
	seen.Insert(role.Name)
	var rules []rbacv1.PolicyRule
	for _, selector := range role.AggregationRule.ClusterRoleSelectors {
		selected, err := r.client.ClusterRoles().List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&selector)})
		if err != nil {
			return nil, err
		}
		for _, each := range selected.Items {
			found, err := r.resolved(ctx, &each, seen)
			if err != nil {
				return nil, err
			}
			rules = append(rules, found...)
		}
	}
	return rules, nil
}

func missing(kind, name string, err error) error {
	if apierrors.IsNotFound(err) {
		return apierrors.NewNotFound(rbacv1.Resource(kind), name)
	}
	return err
}

// is reports whether a subject of a binding in namespace means who.
func is(subject rbacv1.Subject, who user.Info, namespace string) bool {
	switch subject.Kind {
	case rbacv1.UserKind:
		return subject.Name == who.GetName()
	case rbacv1.GroupKind:
		return slices.Contains(who.GetGroups(), subject.Name)
	case rbacv1.ServiceAccountKind:
		if subject.Namespace != "" {
			namespace = subject.Namespace
		}
		return namespace != "" && serviceaccount.MatchesUsername(namespace, subject.Name, who.GetName())
	default:
		return false
	}
}

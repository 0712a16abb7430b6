package main

import (
	"context"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// accessReviews answer whether the one who asks may do something: "kubectl auth can-i".
type accessReviews struct{ authorizer.Authorizer }

var _ rest.Creater = accessReviews{}

func (accessReviews) New() runtime.Object     { return &authorizationv1.SelfSubjectAccessReview{} }
func (accessReviews) Destroy()                {}
func (accessReviews) NamespaceScoped() bool   { return false }
func (accessReviews) GetSingularName() string { return "selfsubjectaccessreview" }

func (r accessReviews) Create(ctx context.Context, object runtime.Object, _ rest.ValidateObjectFunc, _ *metav1.CreateOptions) (runtime.Object, error) {
	review := object.(*authorizationv1.SelfSubjectAccessReview)
	who, _ := request.UserFrom(ctx)
	asked := authorizer.AttributesRecord{User: who}
	switch onResource, onPath := review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes; {
	case onResource != nil && onPath == nil:
		asked.ResourceRequest = true
		asked.Verb, asked.Namespace, asked.Name = onResource.Verb, onResource.Namespace, onResource.Name
		asked.APIGroup, asked.Resource, asked.Subresource = onResource.Group, onResource.Resource, onResource.Subresource
	case onPath != nil && onResource == nil:
		asked.Verb, asked.Path = onPath.Verb, onPath.Path
	default:
		return nil, apierrors.NewBadRequest("exactly one of nonResourceAttributes or resourceAttributes must be specified")
	}
	decision, reason, err := r.Authorize(ctx, asked)
	review.Status = authorizationv1.SubjectAccessReviewStatus{
		Allowed: decision == authorizer.DecisionAllow,
		Denied:  decision == authorizer.DecisionDeny,
		Reason:  reason,
	}
	return review, err
}

// rulesReviews list what the one who asks may do in a namespace: "kubectl auth can-i --list".
type rulesReviews struct{ authorizer.RuleResolver }

var _ rest.Creater = rulesReviews{}

func (rulesReviews) New() runtime.Object     { return &authorizationv1.SelfSubjectRulesReview{} }
func (rulesReviews) Destroy()                {}
func (rulesReviews) NamespaceScoped() bool   { return false }
func (rulesReviews) GetSingularName() string { return "selfsubjectrulesreview" }

func (r rulesReviews) Create(ctx context.Context, object runtime.Object, _ rest.ValidateObjectFunc, _ *metav1.CreateOptions) (runtime.Object, error) {
	review := object.(*authorizationv1.SelfSubjectRulesReview)
	if review.Spec.Namespace == "" {
		return nil, apierrors.NewBadRequest("no namespace on request")
	}
	who, _ := request.UserFrom(ctx)
	onResources, onPaths, incomplete, err := r.RulesFor(ctx, who, review.Spec.Namespace)
	review.Status = authorizationv1.SubjectRulesReviewStatus{
		ResourceRules:    []authorizationv1.ResourceRule{},
		NonResourceRules: []authorizationv1.NonResourceRule{},
		Incomplete:       incomplete,
	}
	for _, rule := range onResources {
		review.Status.ResourceRules = append(review.Status.ResourceRules, authorizationv1.ResourceRule{
			Verbs: rule.GetVerbs(), APIGroups: rule.GetAPIGroups(), Resources: rule.GetResources(), ResourceNames: rule.GetResourceNames(),
		})
	}
	for _, rule := range onPaths {
		review.Status.NonResourceRules = append(review.Status.NonResourceRules, authorizationv1.NonResourceRule{
			Verbs: rule.GetVerbs(), NonResourceURLs: rule.GetNonResourceURLs(),
		})
	}
	if err != nil {
		review.Status.EvaluationError = err.Error()
	}
	return review, nil
}

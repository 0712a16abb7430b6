package main

import (
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
)

// builtin is a kind of Kubernetes' own.
type builtin struct {
	plural, singular string
	shortNames       []string
	namespaced       bool
	object, list     runtime.Object
}

// builtins are the kinds served beside custom resources. Each is stored as it comes: Kubernetes'
// defaults and validation of them are not published.
var builtins = map[schema.GroupVersion][]builtin{
	corev1.SchemeGroupVersion: {
		{"namespaces", "namespace", []string{"ns"}, false, &corev1.Namespace{}, &corev1.NamespaceList{}},
		{"secrets", "secret", nil, true, &corev1.Secret{}, &corev1.SecretList{}},
		{"configmaps", "configmap", []string{"cm"}, true, &corev1.ConfigMap{}, &corev1.ConfigMapList{}},
		{"serviceaccounts", "serviceaccount", []string{"sa"}, true, &corev1.ServiceAccount{}, &corev1.ServiceAccountList{}},
		{"pods", "pod", []string{"po"}, true, &corev1.Pod{}, &corev1.PodList{}},
		{"services", "service", []string{"svc"}, true, &corev1.Service{}, &corev1.ServiceList{}},
		{"events", "event", []string{"ev"}, true, &corev1.Event{}, &corev1.EventList{}},
	},
	appsv1.SchemeGroupVersion: {
		{"deployments", "deployment", []string{"deploy"}, true, &appsv1.Deployment{}, &appsv1.DeploymentList{}},
		{"statefulsets", "statefulset", []string{"sts"}, true, &appsv1.StatefulSet{}, &appsv1.StatefulSetList{}},
	},
	batchv1.SchemeGroupVersion: {
		{"jobs", "job", nil, true, &batchv1.Job{}, &batchv1.JobList{}},
	},
	coordinationv1.SchemeGroupVersion: {
		{"leases", "lease", nil, true, &coordinationv1.Lease{}, &coordinationv1.LeaseList{}},
	},
	discoveryv1.SchemeGroupVersion: {
		{"endpointslices", "endpointslice", nil, true, &discoveryv1.EndpointSlice{}, &discoveryv1.EndpointSliceList{}},
	},
	eventsv1.SchemeGroupVersion: {
		{"events", "event", []string{"ev"}, true, &eventsv1.Event{}, &eventsv1.EventList{}},
	},
	networkingv1.SchemeGroupVersion: {
		{"networkpolicies", "networkpolicy", []string{"netpol"}, true, &networkingv1.NetworkPolicy{}, &networkingv1.NetworkPolicyList{}},
	},
	policyv1.SchemeGroupVersion: {
		{"poddisruptionbudgets", "poddisruptionbudget", []string{"pdb"}, true, &policyv1.PodDisruptionBudget{}, &policyv1.PodDisruptionBudgetList{}},
	},
	rbacv1.SchemeGroupVersion: {
		{"roles", "role", nil, true, &rbacv1.Role{}, &rbacv1.RoleList{}},
		{"rolebindings", "rolebinding", nil, true, &rbacv1.RoleBinding{}, &rbacv1.RoleBindingList{}},
		{"clusterroles", "clusterrole", nil, false, &rbacv1.ClusterRole{}, &rbacv1.ClusterRoleList{}},
		{"clusterrolebindings", "clusterrolebinding", nil, false, &rbacv1.ClusterRoleBinding{}, &rbacv1.ClusterRoleBindingList{}},
	},
}

// installBuiltins serves the built-in kinds, and the reviews of what a user may do.
func installBuiltins(server *genericapiserver.GenericAPIServer, config *genericapiserver.RecommendedConfig, etcd *genericoptions.EtcdOptions) error {
	for version, kinds := range builtins {
		scheme := runtime.NewScheme()
		for _, kind := range kinds {
			addKnown(scheme, version, kind.object, kind.list)
		}
		codecs := serializer.NewCodecFactory(scheme)
		getter := restOptions(etcd, config, codecs.LegacyCodec(version))
		storage := map[string]rest.Storage{}
		for _, kind := range kinds {
			store, err := newStore(scheme, version, kind, getter)
			if err != nil {
				return err
			}
			storage[kind.plural] = store
		}
		if err := install(server, scheme, codecs, version, storage); err != nil {
			return err
		}
	}
	scheme := runtime.NewScheme()
	addKnown(scheme, authorizationv1.SchemeGroupVersion, &authorizationv1.SelfSubjectAccessReview{}, &authorizationv1.SelfSubjectRulesReview{})
	reviews := map[string]rest.Storage{
		"selfsubjectaccessreviews": accessReviews{config.Authorization.Authorizer},
		"selfsubjectrulesreviews":  rulesReviews{config.RuleResolver},
	}
	return install(server, scheme, serializer.NewCodecFactory(scheme), authorizationv1.SchemeGroupVersion, reviews)
}

// addKnown registers objects under version, and as their own internal form: there is no other.
func addKnown(scheme *runtime.Scheme, version schema.GroupVersion, objects ...runtime.Object) {
	scheme.AddKnownTypes(version, objects...)
	scheme.AddKnownTypes(schema.GroupVersion{Group: version.Group, Version: runtime.APIVersionInternal}, objects...)
}

func restOptions(etcd *genericoptions.EtcdOptions, config *genericapiserver.RecommendedConfig, codec runtime.Codec) generic.RESTOptionsGetter {
	own := *etcd
	own.StorageConfig.Codec = codec
	own.StorageConfig.StorageObjectCountTracker = config.StorageObjectCountTracker
	factory := &genericoptions.SimpleStorageFactory{StorageConfig: own.StorageConfig}
	return own.CreateRESTOptionsGetter(factory, config.ResourceTransformers)
}

func install(server *genericapiserver.GenericAPIServer, scheme *runtime.Scheme, codecs serializer.CodecFactory, version schema.GroupVersion, storage map[string]rest.Storage) error {
	unversioned := schema.GroupVersion{Version: "v1"}
	metav1.AddToGroupVersion(scheme, version)
	if version != unversioned {
		metav1.AddToGroupVersion(scheme, unversioned)
	}
	scheme.AddUnversionedTypes(unversioned, &metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	if err := scheme.SetVersionPriority(version); err != nil {
		return err
	}
	info := genericapiserver.NewDefaultAPIGroupInfo(version.Group, scheme, runtime.NewParameterCodec(scheme), codecs)
	info.PrioritizedVersions = []schema.GroupVersion{version}
	info.VersionedResourcesStorageMap[version.Version] = storage
	if version.Group == "" {
		return server.InstallLegacyAPIGroup("/api", &info)
	}
	return server.InstallAPIGroup(&info)
}

package main

import (
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver"
	crdopenapi "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// describe has the server publish OpenAPI documents.
func describe(config *genericapiserver.RecommendedConfig) {
	namer := openapi.NewDefinitionNamer(apiserver.Scheme, scheme.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	config.OpenAPIConfig.Info.Title = "Kubernetes"
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	config.OpenAPIV3Config.Info.Title = "Kubernetes"
}

// definitions are those of custom resources and their definitions; a built-in kind is an object of
// any content, as its definition is not published.
func definitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	all := crdopenapi.GetOpenAPIDefinitions(ref)
	add := func(objects ...runtime.Object) {
		for _, object := range objects {
			all[util.GetCanonicalTypeName(object)] = common.OpenAPIDefinition{Schema: free()}
		}
	}
	for _, kinds := range builtins {
		for _, kind := range kinds {
			add(kind.object, kind.list)
		}
	}
	add(&authorizationv1.SelfSubjectAccessReview{}, &authorizationv1.SelfSubjectRulesReview{})
	return all
}

// free describes an object of any content. Each is one of its own: kinds are noted in it.
func free() spec.Schema {
	schema := spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}}}
	schema.AddExtension("x-kubernetes-preserve-unknown-fields", true)
	return schema
}

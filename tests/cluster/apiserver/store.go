package main

import (
	"context"
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/names"
)

// store keeps the objects of one built-in kind.
type store struct {
	*registry.Store
	shortNames []string
}

// ShortNames are what kubectl takes for the kind's name.
func (s store) ShortNames() []string { return s.shortNames }

func newStore(scheme *runtime.Scheme, version schema.GroupVersion, kind builtin, getter generic.RESTOptionsGetter) (rest.Storage, error) {
	how := strategy{scheme, names.SimpleNameGenerator, kind.namespaced}
	resource := version.WithResource(kind.plural).GroupResource()
	inner := &registry.Store{
		NewFunc:                   maker(kind.object),
		NewListFunc:               maker(kind.list),
		DefaultQualifiedResource:  resource,
		SingularQualifiedResource: version.WithResource(kind.singular).GroupResource(),
		PredicateFunc: func(label labels.Selector, field fields.Selector) storage.SelectionPredicate {
			return storage.SelectionPredicate{Label: label, Field: field, GetAttrs: attributes}
		},
		CreateStrategy: how,
		UpdateStrategy: how,
		DeleteStrategy: how,
		TableConvertor: rest.NewDefaultTableConvertor(resource),
	}
	options := &generic.StoreOptions{RESTOptions: getter, AttrFunc: attributes}
	return store{inner, kind.shortNames}, inner.CompleteWithOptions(options)
}

func maker(prototype runtime.Object) func() runtime.Object {
	kind := reflect.TypeOf(prototype).Elem()
	return func() runtime.Object { return reflect.New(kind).Interface().(runtime.Object) }
}

func attributes(object runtime.Object) (labels.Set, fields.Set, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, nil, err
	}
	return accessor.GetLabels(), fields.Set{"metadata.name": accessor.GetName(), "metadata.namespace": accessor.GetNamespace()}, nil
}

// strategy takes objects as they come.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
	namespaced bool
}

func (s strategy) NamespaceScoped() bool                                          { return s.namespaced }
func (strategy) PrepareForCreate(context.Context, runtime.Object)                 {}
func (strategy) PrepareForUpdate(context.Context, runtime.Object, runtime.Object) {}
func (strategy) Validate(context.Context, runtime.Object) field.ErrorList         { return nil }
func (strategy) ValidateUpdate(context.Context, runtime.Object, runtime.Object) field.ErrorList {
	return nil
}
func (strategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }
func (strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}
func (strategy) AllowCreateOnUpdate() bool      { return false }
func (strategy) AllowUnconditionalUpdate() bool { return true }
func (strategy) Canonicalize(runtime.Object)    {}

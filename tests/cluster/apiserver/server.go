package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel/trace/noop"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver"
	crdoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/authorization/union"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/component-base/version"
)

// systemNamespaces are there from the start and cannot be deleted.
var systemNamespaces = []string{metav1.NamespaceDefault, metav1.NamespaceSystem}

// newServer puts the machinery together. What it serves lies in the etcd at endpoint.
func newServer(o options, endpoint string) (*apiserver.CustomResourceDefinitions, error) {
	codec := apiserver.Codecs.LegacyCodec(apiextensionsv1.SchemeGroupVersion)
	etcd := genericoptions.NewEtcdOptions(storagebackend.NewDefaultConfig("/registry", codec))
	etcd.StorageConfig.Transport.ServerList = []string{endpoint}
	etcd.EnableWatchCache = o.watchCache

	config, client, err := newConfig(o, etcd)
	if err != nil {
		return nil, err
	}
	completed := (&apiserver.Config{
		GenericConfig: config,
		ExtraConfig: apiserver.ExtraConfig{
			CRDRESTOptionsGetter: crdoptions.NewCRDRESTOptionsGetter(*etcd, config.ResourceTransformers, config.StorageObjectCountTracker),
			ServiceResolver:      noServices{},
			AuthResolverWrapper:  webhook.NewDefaultAuthenticationInfoResolverWrapper(nil, nil, config.LoopbackClientConfig, noop.NewTracerProvider()),
		},
	}).Complete()
	completed.GenericConfig.EnableDiscovery = true
	server, err := completed.New(genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, err
	}
	if err := installBuiltins(server.GenericAPIServer, config, etcd); err != nil {
		return nil, err
	}
	err = server.GenericAPIServer.AddPostStartHook("system-namespaces", func(hook genericapiserver.PostStartHookContext) error {
		return createNamespaces(hook, client)
	})
	return server, err
}

// newConfig is what serves requests, whatever they are about: the client it returns is the server's
// own, which may do everything.
func newConfig(o options, etcd *genericoptions.EtcdOptions) (*genericapiserver.RecommendedConfig, kubernetes.Interface, error) {
	config := genericapiserver.NewRecommendedConfig(apiserver.Codecs)
	config.EffectiveVersion = basecompatibility.NewEffectiveVersionFromString(version.DefaultKubeBinaryVersion, "", "")
	config.MinRequestTimeout = o.minRequestTimeout
	config.MaxMutatingRequestsInFlight = o.mutatingInFlight
	config.MaxRequestsInFlight = o.requestsInFlight
	config.LegacyAPIGroupPrefixes.Insert("/api")
	config.MergedResourceConfig = apiserver.DefaultAPIResourceConfigSource()
	if err := etcd.ApplyTo(&config.Config); err != nil {
		return nil, nil, err
	}
	if err := listen(config, o.dir); err != nil {
		return nil, nil, err
	}
	client, err := kubernetes.NewForConfig(config.LoopbackClientConfig)
	if err != nil {
		return nil, nil, err
	}
	config.SharedInformerFactory = informers.NewSharedInformerFactory(client, 0)
	config.Authentication.Authenticator = newAuthenticator(o.tokens)
	rbac := &rbacAuthorizer{client: client.RbacV1()}
	// The server itself is one of the masters, and so may read the rules by which others are judged.
	masters := authorizerfactory.NewPrivilegedGroups(user.SystemPrivilegedGroup)
	config.Authorization.Authorizer = union.New(masters, rbac)
	config.RuleResolver = rbac
	if config.AdmissionControl, err = admitInNamespaces(client, config.SharedInformerFactory); err != nil {
		return nil, nil, err
	}
	describe(config)
	return config, client, nil
}

// listen has the server listen on a free port of loopback, with a certificate of its own in dir.
func listen(config *genericapiserver.RecommendedConfig, dir string) error {
	loopback := net.ParseIP("127.0.0.1")
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback.String(), "0"))
	if err != nil {
		return err
	}
	serving := genericoptions.NewSecureServingOptions().WithLoopback()
	serving.Listener = listener
	serving.BindAddress = loopback
	serving.ServerCert.CertDirectory = dir
	serving.ServerCert.PairName = "apiserver"
	if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", nil, []net.IP{loopback}); err != nil {
		return err
	}
	return serving.ApplyTo(&config.SecureServing, &config.LoopbackClientConfig)
}

// admitInNamespaces refuses objects in namespaces that are not there, as every cluster does.
func admitInNamespaces(client kubernetes.Interface, factory informers.SharedInformerFactory) (*lifecycle.Lifecycle, error) {
	plugin, err := lifecycle.NewLifecycle(sets.NewString(systemNamespaces...))
	if err != nil {
		return nil, err
	}
	plugin.SetExternalKubeClientSet(client)
	plugin.SetExternalKubeInformerFactory(factory)
	return plugin, plugin.ValidateInitialization()
}

func createNamespaces(ctx context.Context, client kubernetes.Interface) error {
	for _, name := range systemNamespaces {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		_, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// announce prints where the server is, as soon as it says itself that it is ready.
func announce(ctx context.Context, server *apiserver.CustomResourceDefinitions, dir string) {
	config := server.GenericAPIServer.LoopbackClientConfig
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	err = wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		return client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil, nil
	})
	if err != nil {
		return // ended before it was ready
	}
	line, _ := json.Marshal(map[string]string{
		"server":      config.Host,
		"certificate": filepath.Join(dir, "apiserver.crt"),
	})
	fmt.Println(string(line))
}

// noServices is where webhooks would be looked up.
type noServices struct{}

func (noServices) ResolveEndpoint(namespace, name string, _ int32) (*url.URL, error) {
	return nil, fmt.Errorf("no services here: %s/%s", namespace, name)
}

// Command apiserver serves the real Kubernetes API machinery on loopback, for tests: custom
// resources by k8s.io/apiextensions-apiserver, some built-in kinds by k8s.io/apiserver, stored in
// an etcd in this process; RBAC from objects, users from a file of tokens. No controllers: what is
// owned by a deleted object stays, and so does what lies in a deleted namespace.
//
// When it is ready it prints one line of JSON that says where it is. SIGUSR1 compacts etcd: older
// revisions are forgotten. SIGTERM ends it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// options is the command line.
type options struct {
	dir               string
	tokens            string
	watchCache        bool
	minRequestTimeout int
	mutatingInFlight  int
	requestsInFlight  int
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "folder for the data of etcd and for the certificate")
	flag.StringVar(&o.tokens, "tokens", "", "file of lines token,user,uid,\"group,group\", as kube-apiserver's --token-auth-file, but read at every request")
	flag.BoolVar(&o.watchCache, "watch-cache", true, "serve lists and watches from memory; without it, compaction ends them")
	flag.IntVar(&o.minRequestTimeout, "min-request-timeout", 1800, "a watch that names no timeout ends after one to two times as many seconds")
	flag.IntVar(&o.mutatingInFlight, "max-mutating-requests-inflight", 200, "how many writes are served at once; more are told to come back: 429")
	flag.IntVar(&o.requestsInFlight, "max-requests-inflight", 400, "the same for reads")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	store, err := startEtcd(filepath.Join(o.dir, "etcd"))
	if err != nil {
		return err
	}
	defer store.Close()
	go compactOnSignal(ctx, store)

	server, err := newServer(o, clientURL(store))
	if err != nil {
		return err
	}
	go announce(ctx, server, o.dir)
	return server.GenericAPIServer.PrepareRun().RunWithContext(ctx)
}

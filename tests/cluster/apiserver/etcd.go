package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// startEtcd runs an etcd of one member on free ports of loopback. It does not fsync: nobody needs
// the data after a crash.
func startEtcd(dir string) (*embed.Etcd, error) {
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config := embed.NewConfig()
	config.Dir = dir
	config.UnsafeNoFsync = true
	config.LogLevel = "error"
	config.ListenClientUrls, config.AdvertiseClientUrls = loopback, loopback
	config.ListenPeerUrls, config.AdvertisePeerUrls = loopback, loopback
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	store, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-store.Server.ReadyNotify():
		return store, nil
	case <-time.After(20 * time.Second):
		store.Close()
		return nil, fmt.Errorf("etcd is not ready after 20 seconds")
	}
}

func clientURL(store *embed.Etcd) string {
	return "http://" + store.Clients[0].Addr().String()
}

// compactOnSignal forgets all but the current revision at every SIGUSR1, and says when it is done.
func compactOnSignal(ctx context.Context, store *embed.Etcd) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			revision, err := compact(ctx, clientURL(store))
			fmt.Println("compacted", revision, err)
		}
	}
}

func compact(ctx context.Context, endpoint string) (int64, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	// Any read tells the current revision.
	current, err := client.Get(ctx, "/")
	if err != nil {
		return 0, err
	}
	revision := current.Header.Revision
	_, err = client.Compact(ctx, revision, clientv3.WithCompactPhysical())
	return revision, err
}

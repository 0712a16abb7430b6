// Brokers for the tests of the kafka checker: franz-go's kfake, with what it does not do by itself.
package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Usage: kafka OPEN SASL TLS PLAIN CERT KEY, of which the first four are ports.
func main() {
	pair, err := tls.LoadX509KeyPair(os.Args[5], os.Args[6])
	if err != nil {
		log.Fatal(err)
	}
	users := []kfake.Opt{
		kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "plain", "s3cret-plain"),
		kfake.Superuser("SCRAM-SHA-256", "scram", "s3cret-256"),
		kfake.Superuser("SCRAM-SHA-512", "scram", "s3cret-512"),
	}
	open := start(1)
	open.ControlKey(int16(kmsg.Metadata), brokenTopics(open))
	secured := start(2, users...)
	secured.ControlKey(int16(kmsg.SASLAuthenticate), refuseMallory(secured))
	start(3, append(users, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))...)
	plain := start(4, users...)
	plain.ControlKey(int16(kmsg.SASLHandshake), onlyPlain(plain))
	fmt.Println("ready")
	select {}
}

func start(argument int, more ...kfake.Opt) *kfake.Cluster {
	port, err := strconv.Atoi(os.Args[argument])
	if err != nil {
		log.Fatal(err)
	}
	options := append([]kfake.Opt{
		kfake.Ports(port), kfake.NumBrokers(1), kfake.SeedTopics(3, "orders"), kfake.AllowAutoTopicCreation(),
	}, more...)
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		log.Fatal(err)
	}
	return cluster
}

type control = func(kmsg.Request) (kmsg.Response, error, bool)

// What a cluster says that has lost brokers, and of a topic that one may not see.
func brokenTopics(cluster *kfake.Cluster) control {
	return func(asked kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		topics := asked.(*kmsg.MetadataRequest).Topics
		if len(topics) != 1 || topics[0].Topic == nil {
			return nil, nil, false
		}
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = topics[0].Topic
		switch *topic.Topic {
		case "headless":
			for number := int32(0); number < 3; number++ {
				partition := kmsg.NewMetadataResponseTopicPartition()
				partition.Partition, partition.Leader = number, 0
				partition.Replicas, partition.ISR = []int32{0, 1}, []int32{0}
				partition.OfflineReplicas = []int32{1}
				if number > 0 {
					partition.Leader, partition.ISR = -1, nil
					partition.ErrorCode = kerr.LeaderNotAvailable.Code
				}
				topic.Partitions = append(topic.Partitions, partition)
			}
		case "private":
			topic.ErrorCode = kerr.TopicAuthorizationFailed.Code
		case "electing":
			topic.ErrorCode = kerr.LeaderNotAvailable.Code
		default:
			return nil, nil, false
		}
		answer := asked.ResponseKind().(*kmsg.MetadataResponse)
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	}
}

// As Apache's broker refuses; kfake only hangs up.
func refuseMallory(cluster *kfake.Cluster) control {
	return func(asked kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if !bytes.Contains(asked.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes, []byte("mallory")) {
			return nil, nil, false
		}
		answer := asked.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		answer.ErrorMessage = kmsg.StringPtr("Authentication failed: Invalid username or password")
		return answer, nil, true
	}
}

func onlyPlain(cluster *kfake.Cluster) control {
	return func(asked kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if asked.(*kmsg.SASLHandshakeRequest).Mechanism == "PLAIN" {
			return nil, nil, false
		}
		answer := asked.ResponseKind().(*kmsg.SASLHandshakeResponse)
		answer.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		answer.SupportedMechanisms = []string{"GSSAPI", "PLAIN"}
		return answer, nil, true
	}
}

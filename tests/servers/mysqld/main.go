// A server that speaks MySQL 8's protocol: its logins are real, its answers are not.
//
// Debian has MariaDB alone, which does not know caching_sha2_password.
package main

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log"
	"net"
	"os"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/server"
)

type handler struct{ server.EmptyHandler }

func (handler) UseDB(string) error { return nil }

// Every query is answered with itself.
func (handler) HandleQuery(query string) (*mysql.Result, error) {
	if query == "SET SESSION TRANSACTION READ ONLY" {
		return nil, nil
	}
	answer, err := mysql.BuildSimpleTextResultset([]string{"query"}, [][]interface{}{{query}})
	if err != nil {
		return nil, err
	}
	return &mysql.Result{Resultset: answer}, nil
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func publicKey(path string) []byte {
	block, _ := pem.Decode(must(os.ReadFile(path)))
	key := must(x509.ParsePKCS8PrivateKey(block.Bytes)).(*rsa.PrivateKey)
	der := must(x509.MarshalPKIXPublicKey(&key.PublicKey))
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// mysqld METHOD PORT CERTIFICATE KEY USER PASSWORD
func main() {
	method, port, certificate, key, user, password :=
		os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]
	pair := must(tls.LoadX509KeyPair(certificate, key))
	settings := &tls.Config{Certificates: []tls.Certificate{pair}}
	configured := server.NewServer("8.0.12", mysql.DEFAULT_COLLATION_ID, method, publicKey(key), settings)
	users := server.NewInMemoryProvider()
	users.AddUser(user, password)
	listener := must(net.Listen("tcp", "127.0.0.1:"+port))
	for {
		connection := must(listener.Accept())
		go func() {
			defer connection.Close()
			session, err := server.NewCustomizedConn(connection, configured, users, handler{})
			for err == nil && !session.Closed() {
				err = session.HandleCommand()
			}
			fmt.Println(err)
		}()
	}
}

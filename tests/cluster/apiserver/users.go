package main

import (
	"context"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/anonymous"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
)

// newAuthenticator knows the users in the file at path; whoever has no token is anonymous.
func newAuthenticator(path string) authenticator.Request {
	tokens := group.NewAuthenticatedGroupAdder(bearertoken.New(tokenFile(path)))
	return union.NewFailOnError(tokens, anonymous.NewAuthenticator(nil))
}

// tokenFile is the path of a file of tokens. It is read anew every time, as tests add users.
type tokenFile string

func (path tokenFile) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	users, err := tokenfile.NewCSV(string(path))
	if err != nil {
		return nil, false, err
	}
	return users.AuthenticateToken(ctx, token)
}

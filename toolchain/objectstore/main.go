// An object store that speaks S3, for the tests: a directory, signatures, accounts and all, on one port.
// Only what serves a directory is compiled in: the gateway's own program also has those of clouds.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

// More at once than any test asks for.
const requests = 256

func main() {
	address := flag.String("address", "127.0.0.1:7070", "where to listen")
	directory := flag.String("directory", "", "holds data, meta and accounts/users.json; made by whoever calls")
	certificate := flag.String("certificate", "", "PEM file, for HTTPS")
	key := flag.String("key", "", "PEM file of its private key")
	flag.Parse()

	attributes, err := meta.NewSideCar(filepath.Join(*directory, "meta"))
	if err != nil {
		log.Fatal(err)
	}
	data, err := posix.New(filepath.Join(*directory, "data"), attributes, posix.PosixOpts{
		SideCarDir:  filepath.Join(*directory, "meta"),
		Concurrency: requests,
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = embedgw.RunVersityGW(ctx, data, &embedgw.Config{
		// As the S3 clients have them, so that no argument holds a secret.
		RootUserAccess: os.Getenv("AWS_ACCESS_KEY_ID"),
		RootUserSecret: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		Ports:          []string{*address},
		IAMDir:         filepath.Join(*directory, "accounts"),
		CertFile:       *certificate,
		KeyFile:        *key,
		// Accounts are few and do not change; its cache, looked through without a pause, would take a processor.
		IAMCacheDisable:   true,
		KeepAlive:         true,
		MaxConnections:    requests,
		MaxRequests:       requests,
		MultipartMaxParts: 10000,
	})
	if err != nil {
		log.Fatal(err)
	}
}

// Writes go.binlog: calls of grpc-go's own health service, logged by grpc-go's own binary log.
//
//	GRPC_BINARY_LOG_FILTER='*' go run . ../go.binlog
package main

import (
	"context"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/binarylog"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

func main() {
	before := logs()
	sink, err := binarylog.NewTempFileSink()
	check(err)
	binarylog.SetSink(sink)

	call()

	check(sink.Close())
	for _, path := range logs() {
		if !slices.Contains(before, path) {
			check(os.Rename(path, os.Args[1]))
		}
	}
}

// logs returns the files of all such sinks: theirs choose the name.
func logs() []string {
	found, err := filepath.Glob("/tmp/grpcgo_binarylog_*.txt")
	check(err)
	return found
}

// call makes a unary call, one that fails, and a stream that the caller gives up.
func call() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	defer server.GracefulStop()

	connection, err := grpc.NewClient(listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	defer connection.Close()
	client := healthpb.NewHealthClient(connection)

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "given", "name", "raw-bin", "\x00\xff")
	_, err = client.Check(ctx, &healthpb.HealthCheckRequest{})
	check(err)
	_, err = client.Check(ctx, &healthpb.HealthCheckRequest{Service: "missing"})
	if err == nil {
		log.Fatal("a service that is missing was found")
	}

	watching, stop := context.WithCancel(ctx)
	stream, err := client.Watch(watching, &healthpb.HealthCheckRequest{})
	check(err)
	_, err = stream.Recv()
	check(err)
	stop()
	if _, err = stream.Recv(); err == nil {
		log.Fatal("a stream that was given up goes on")
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

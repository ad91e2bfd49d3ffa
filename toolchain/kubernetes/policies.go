package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

// enforcePolicies lets a pod's connections through, or not, as the cluster's
// NetworkPolicies say: the kernel asks it about the first packet of each.
func enforcePolicies() {
	kubeconfig := flag.String("kubeconfig", "", "file with the cluster's address and credentials")
	queue := flag.Int("queue", 100, "number of the netfilter queue that the packets come by")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatal(err)
	}
	all := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(client, all.Networking().V1().NetworkPolicies(),
		all.Core().V1().Namespaces(), all.Core().V1().Pods(), nil, nil, nil, nil,
		// A laptop whose enforcer is away for a moment keeps its connections. NRI stays on, although
		// containerd 1.6 has none: the module uses its table of addresses also where it is switched off.
		networkpolicy.Config{FailOpen: true, QueueID: *queue, NetfilterBug1766Fix: true})
	if err != nil {
		klog.Fatal(err)
	}
	all.Start(ctx.Done())
	if err := controller.Run(ctx); err != nil {
		klog.Fatal(err)
	}
}

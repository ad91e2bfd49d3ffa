package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// root is where the node keeps every volume; the provisioner's pod mounts it.
const root = "/var/local/volumes"

// directories makes each volume a directory of the one node of the cluster.
type directories struct{ client kubernetes.Interface }

// Provision creates the directory, writable by any user: kubelet does not
// change the owner of host paths, and user servers run as uid 1000.
func (d directories) Provision(ctx context.Context, o controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	claim := fmt.Sprintf("_%s_%s", o.PVC.Namespace, o.PVC.Name)
	path := filepath.Join(root, o.PVName+claim)
	if err := d.adopt(ctx, claim, path); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: v1.PersistentVolumeSpec{
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: o.PVC.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			PersistentVolumeSource:        v1.PersistentVolumeSource{HostPath: &v1.HostPathVolumeSource{Path: path}},
		},
	}, controller.ProvisioningFinished, nil
}

// adopt gives the claim the directory it had in an earlier cluster on the same
// data: one that bears the claim's name and that no volume of this cluster owns.
func (d directories) adopt(ctx context.Context, claim, path string) error {
	found, err := filepath.Glob(filepath.Join(root, "*"+claim))
	if err != nil {
		return err
	}
	for _, old := range found {
		owner := strings.TrimSuffix(filepath.Base(old), claim)
		_, err := d.client.CoreV1().PersistentVolumes().Get(ctx, owner, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return os.Rename(old, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (directories) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	path := volume.Spec.HostPath.Path
	if filepath.Dir(path) != root {
		return fmt.Errorf("volume %s lies at %s, outside %s: not deleted", volume.Name, path, root)
	}
	return os.RemoveAll(path)
}

func provisionVolumes() {
	ctx := context.Background()
	config, err := rest.InClusterConfig()
	if err != nil {
		klog.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatal(err)
	}
	controller.NewProvisionController(ctx, client, "hubops.dev/directory", directories{client},
		controller.LeaderElection(false)).Run(ctx)
}

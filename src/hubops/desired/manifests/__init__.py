"""What helm renders for a hub, judged by the API of the Kubernetes that the hub's cluster runs."""

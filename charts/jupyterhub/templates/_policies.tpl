{{- /*
What NetworkPolicies share. Names, labels and rules are upstream's; the ranges know IPv6, addresses that clouds give
to pods (100.64.0.0/10), and everything link-local.
*/ -}}

{{- define "jupyterhub.privateRanges" -}}
[10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10]
{{- end }}

{{- /* Pods that have the label of an access, to a port of this pod. */ -}}
{{- define "jupyterhub.allowLabelled" -}}
{{- $label := dict "matchLabels" (dict (print "hub.jupyter.org/network-access-" .access) "true") -}}
{{- $from := list (dict "podSelector" $label) -}}
{{- if eq .policy.interNamespaceAccessLabels "accept" -}}
{{- $from = list (dict "podSelector" $label "namespaceSelector" dict) (dict "namespaceSelector" $label) -}}
{{- end -}}
- ports:
    - port: {{ .port }}
  from:
    {{- toYaml $from | nindent 4 }}
{{- end }}

{{- /* Ports for everybody, and the operator's own rules. */ -}}
{{- define "jupyterhub.allowMore" -}}
{{- with .allowedIngressPorts }}
- ports:
    {{- range . }}
    - port: {{ . }}
    {{- end }}
{{- end }}
{{- with .ingress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* A port of the pods of a component here. */ -}}
{{- define "jupyterhub.allowTo" -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "jupyterhub.selector" (merge (dict "component" .component) .root) | nindent 10 }}
  ports:
    - port: {{ .port }}
{{- end }}

{{- define "jupyterhub.egress" -}}
{{- $allow := .policy.egressAllowRules -}}
{{- $metadata := print .root.Values.singleuser.cloudMetadata.ip "/32" -}}
{{- $private := include "jupyterhub.privateRanges" . | fromYamlArray -}}
{{- if or $allow.dnsPortsCloudMetadataServer $allow.dnsPortsKubeSystemNamespace $allow.dnsPortsPrivateIPs }}
# DNS
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
  to:
    {{- if $allow.dnsPortsCloudMetadataServer }}
    - ipBlock: {cidr: {{ $metadata }}}
    {{- end }}
    {{- if $allow.dnsPortsKubeSystemNamespace }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
    {{- end }}
    {{- if $allow.dnsPortsPrivateIPs }}
    {{- range append $private "fc00::/7" }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
    # NodeLocal DNSCache
    - ipBlock: {cidr: 169.254.20.10/32}
    {{- end }}
{{- end }}
{{- if $allow.nonPrivateIPs }}
# The internet
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
          {{- range $private }}
          - {{ . }}
          {{- end }}
          - 169.254.0.0/16
          {{- if not (hasPrefix "169.254." $metadata) }}
          - {{ $metadata }}
          {{- end }}
    - ipBlock:
        cidr: "::/0"
        except: ["fc00::/7", "fe80::/10"]
{{- end }}
{{- if $allow.privateIPs }}
# Machines and pods nearby
- to:
    {{- range append $private "fc00::/7" }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
{{- end }}
{{- if $allow.cloudMetadataServer }}
# The cloud's metadata service
- to:
    - ipBlock: {cidr: {{ $metadata }}}
{{- end }}
{{- with .policy.egress }}
{{ toYaml . }}
{{- end }}
{{- end }}

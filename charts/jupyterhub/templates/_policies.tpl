{{- /*
What NetworkPolicies share. Names, labels and rules are upstream's; the ranges know IPv6, addresses that clouds give
to pods (100.64.0.0/10), and everything link-local.
*/ -}}

{{- define "jupyterhub.privateRanges" -}}
[10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10]
{{- end }}

{{- /* Whether an address is in one of the private ranges, for an exception must lie in what it is of. */ -}}
{{- define "jupyterhub.isIn" -}}
{{- $begins := dict "10.0.0.0/8" `10\.` "172.16.0.0/12" `172\.(1[6-9]|2\d|3[01])\.` "192.168.0.0/16" `192\.168\.` "100.64.0.0/10" `100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.` -}}
{{- if regexMatch (print "^" (get $begins .range)) .address }}true{{ end -}}
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
    {{- range $private }}
    - ipBlock:
        cidr: {{ . }}
        {{- if and (not $allow.cloudMetadataServer) (include "jupyterhub.isIn" (dict "range" . "address" $metadata)) }}
        except: [{{ $metadata }}]
        {{- end }}
    {{- end }}
    - ipBlock:
        cidr: fc00::/7
        {{- if not $allow.cloudMetadataServer }}
        except: ["fd00:ec2::254/128"]
        {{- end }}
{{- end }}
{{- if $allow.cloudMetadataServer }}
# The cloud's metadata service, and the other addresses at which clouds give out identities
- to:
    - ipBlock: {cidr: {{ $metadata }}}
    - ipBlock: {cidr: 169.254.0.0/16}
{{- end }}
{{- with .policy.egress }}
{{ toYaml . }}
{{- end }}
{{- end }}

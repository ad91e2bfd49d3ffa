{{- /* Where pods run, by their purpose: core or user. */ -}}
{{- define "jupyterhub.placement" -}}
{{- $pods := .pods -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat ($pods.tolerations | default list) (.tolerations | default list) }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $wish := $pods.nodeAffinity.matchNodePurpose }}
{{- if ne $wish "ignore" }}
affinity:
  nodeAffinity:
    {{- if eq $wish "require" }}
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions: [{key: hub.jupyter.org/node-purpose, operator: In, values: [{{ .purpose }}]}]
    {{- else }}
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        preference:
          matchExpressions: [{key: hub.jupyter.org/node-purpose, operator: In, values: [{{ .purpose }}]}]
    {{- end }}
{{- end }}
{{- end }}

{{- /* The priority class of hub, proxy and user servers; nothing where there is none. */ -}}
{{- define "jupyterhub.priority" -}}
{{- if .Values.scheduling.podPriority.enabled }}
{{- include "jupyterhub.clusterName" (merge (dict "suffix" "default-priority") .) }}
{{- end }}
{{- end }}

{{- /* What a user server asks of its node; 1G is 1024³ bytes for KubeSpawner, and 1000³ for Kubernetes. */ -}}
{{- define "jupyterhub.userResources" -}}
{{- $user := .Values.singleuser -}}
{{- $memory := dict -}}
{{- range $kind, $amount := pick $user.memory "guarantee" "limit" }}{{ $_ := set $memory $kind (regexReplaceAll "([KMGT])$" (toString ($amount | default "")) "${1}i") }}{{ end -}}
{{- $requests := dict "cpu" $user.cpu.guarantee "memory" $memory.guarantee -}}
{{- $limits := dict "cpu" $user.cpu.limit "memory" $memory.limit -}}
{{- range $name, $amounts := dict "requests" $requests "limits" $limits }}
{{- if or $amounts.cpu $amounts.memory }}
{{ $name }}:
  {{- range $kind, $amount := $amounts }}
  {{- with $amount }}
  {{ $kind }}: {{ . | quote }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

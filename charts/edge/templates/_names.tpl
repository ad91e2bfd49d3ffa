{{- define "edge.selector" -}}
app.kubernetes.io/name: edge
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "edge.labels" -}}
{{ include "edge.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end }}

{{- define "edge.files" -}}
{{- range $file := list "Caddyfile" "index.html" "unavailable.html" }}
{{ $file }}: |
  {{- tpl ($.Files.Get (printf "files/%s.tpl" $file)) $ | nindent 2 }}
{{- end }}
{{- range $hub := .Values.hubs }}
{{- if $hub.disabled }}
disabled-{{ $hub.name }}.html: |
  {{- tpl ($.Files.Get "files/disabled.html.tpl") (merge (dict "hub" $hub) $) | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

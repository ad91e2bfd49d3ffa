{{- /*
Labels and selectors are those of the upstream chart: a selector can never be changed, so a hub moves between
the two charts only where they agree.
*/ -}}

{{- define "jupyterhub.selector" -}}
app: {{ .Chart.Name | quote }}
component: {{ .component }}
release: {{ .Release.Name | quote }}
{{- end }}

{{- define "jupyterhub.labels" -}}
{{- $versioned := printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") -}}
{{ include "jupyterhub.selector" . }}
chart: {{ $versioned }}
heritage: {{ .Release.Service }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
helm.sh/chart: {{ $versioned }}
{{- end }}

{{- /* A pod's labels leave the chart's version out: a new chart alone restarts nothing. */ -}}
{{- define "jupyterhub.podLabels" -}}
{{ include "jupyterhub.selector" . }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
{{- end }}

{{- /*
The name of what the whole cluster has one of. It is upstream's; where two hubs could have a release of one name,
in two namespaces, the namespace stands before it, with a dot, which no namespace has.
*/ -}}
{{- define "jupyterhub.clusterName" -}}
{{ eq .Release.Name .Release.Namespace | ternary "" (print .Release.Namespace ".") }}{{ .Release.Name }}-{{ .suffix }}
{{- end }}

{{- define "jupyterhub.image" -}}
{{ .name }}{{ with .tag }}:{{ . }}{{ end }}
{{- end }}

{{- define "jupyterhub.pullSecrets" -}}
{{- range .Values.imagePullSecrets }}
- name: {{ kindIs "string" . | ternary . (get (kindIs "map" . | ternary . dict) "name") | quote }}
{{- end }}
{{- end }}

{{- define "jupyterhub.env" -}}
{{- if kindIs "slice" . }}
{{- toYaml . }}
{{- else }}
{{- range $name, $value := . }}
- {{ kindIs "map" $value | ternary (merge dict (kindIs "map" $value | ternary $value dict) (dict "name" $name)) (dict "name" $name "value" $value) | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What pod security "restricted" asks of a container; the pods set the rest. */ -}}
{{- define "jupyterhub.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
{{- end }}

{{- /* Of pods that need nothing: who sleeps, and who only has an image pulled. */ -}}
{{- define "jupyterhub.nobody" -}}
runAsNonRoot: true
runAsUser: 65534
runAsGroup: 65534
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /* A container that stays and does nothing: of the image given, else of the users' image, which nodes have anyway. */ -}}
{{- define "jupyterhub.sleeper" -}}
{{- $own := not (empty .image.name) -}}
{{- $image := $own | ternary .image .user -}}
name: pause
image: {{ include "jupyterhub.image" $image | quote }}
{{- with $image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- if not $own }}
command: [sleep, infinity]
{{- end }}
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "jupyterhub.containerSecurity" . | nindent 2 }}
{{- end }}

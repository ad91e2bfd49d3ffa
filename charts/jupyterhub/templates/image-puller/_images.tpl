{{- /* What people's servers are made of: a list of name, image and pullPolicy, each image once. */ -}}
{{- define "jupyterhub.pulledImages" -}}
{{- $user := .Values.singleuser -}}
{{- $found := list (dict "image" (include "jupyterhub.image" $user.image) "pullPolicy" ($user.image.pullPolicy | default "")) -}}
{{- range $user.initContainers }}{{ $found = append $found (pick . "image") }}{{ end -}}
{{- if .Values.prePuller.pullProfileListImages -}}
{{- range $user.profileList -}}
{{- $found = append $found (pick (.kubespawner_override | default dict) "image") -}}
{{- range .profile_options }}{{ range .choices }}{{ $found = append $found (pick (.kubespawner_override | default dict) "image") }}{{ end }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range .Values.prePuller.extraImages }}{{ $found = append $found (dict "image" (include "jupyterhub.image" .) "pullPolicy" (.pullPolicy | default "")) }}{{ end -}}
{{- $named := dict -}}
{{- range $each := $found }}
{{- if and $each.image (not (hasKey $named $each.image)) }}
{{- $_ := set $named $each.image true }}
- {{ dict "name" (printf "pull-%d" (len $named)) "image" $each.image "pullPolicy" ($each.pullPolicy | default "") | toJson }}
{{- end }}
{{- end }}
{{- end }}

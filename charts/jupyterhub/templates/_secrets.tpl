{{- /*
Every secret comes from the values. A chart that makes one up renders something else each time, which restarts
pods, logs people out, and makes every comparison of two renders worthless.
*/ -}}

{{- define "jupyterhub.authToken" -}}
{{ dig "ConfigurableHTTPProxy" "auth_token" "" .Values.hub.config | default .Values.proxy.secretToken | default "" }}
{{- end }}

{{- define "jupyterhub.cookieSecret" -}}
{{ dig "JupyterHub" "cookie_secret" "" .Values.hub.config | default .Values.hub.cookieSecret | default "" }}
{{- end }}

{{- define "jupyterhub.cryptKeys" -}}
{{ dig "CryptKeeper" "keys" "" .Values.hub.config | join ";" }}
{{- end }}

{{- define "jupyterhub.apiToken" -}}
{{ .apiToken | default (get . "api_token") | default "" }}
{{- end }}

{{- /* Fails with everything that is missing or misplaced at once, not one thing per attempt. */ -}}
{{- define "jupyterhub.require" -}}
{{- $wrong := list -}}
{{- $hex := "64 hexadecimal digits (make one: openssl rand -hex 32)" -}}
{{- if not (include "jupyterhub.authToken" .) }}{{ $wrong = append $wrong (print "proxy.secretToken is required: " $hex) }}{{ end -}}
{{- $elsewhere := .Values.hub.existingSecret -}}
{{- if not (or $elsewhere (include "jupyterhub.cookieSecret" .)) }}{{ $wrong = append $wrong (print "hub.cookieSecret is required: " $hex) }}{{ end -}}
{{- if not (or $elsewhere (include "jupyterhub.cryptKeys" .)) }}{{ $wrong = append $wrong (print "hub.config.CryptKeeper.keys is required: a list of " $hex) }}{{ end -}}
{{- range $key, $image := dict "hub.image" .Values.hub.image "proxy.chp.image" .Values.proxy.chp.image "singleuser.image" .Values.singleuser.image -}}
{{- if not $image.name }}{{ $wrong = append $wrong (printf "%s.name is required: the image's repository, with %s.tag" $key $key) }}{{ end -}}
{{- end -}}
{{- range $name, $service := .Values.hub.services -}}
{{- if not (or $elsewhere $service.command (include "jupyterhub.apiToken" $service)) }}{{ $wrong = append $wrong (printf "hub.services.%s.apiToken is required: the service runs elsewhere and must know its token" $name) }}{{ end -}}
{{- end -}}
{{- range $trait, $key := dict "services" "hub.services" "load_roles" "hub.loadRoles" -}}
{{- if hasKey (dig "JupyterHub" dict $.Values.hub.config) $trait }}{{ $wrong = append $wrong (printf "hub.config.JupyterHub.%s would replace what the chart sets: use %s" $trait $key) }}{{ end -}}
{{- end -}}
{{- if and (eq .Values.hub.db.type "postgres") (not .Values.hub.db.url) }}{{ $wrong = append $wrong "hub.db.url is required for postgres: such as postgresql+psycopg2://hub@db.example.org/hub" }}{{ end -}}
{{- if and (eq .Values.singleuser.storage.type "static") (not .Values.singleuser.storage.static.pvcName) }}{{ $wrong = append $wrong "singleuser.storage.static.pvcName is required for static storage: the claim with the homes" }}{{ end -}}
{{- range $where, $files := dict "hub.extraFiles" .Values.hub.extraFiles "singleuser.extraFiles" .Values.singleuser.extraFiles -}}
{{- with include "jupyterhub.fileFaults" (dict "where" $where "files" $files) | trim }}{{ $wrong = concat $wrong (splitList "\n" .) }}{{ end -}}
{{- end -}}
{{- if $wrong }}{{ fail (print "\n\nThe values are not complete:\n- " (join "\n- " $wrong) "\n") }}{{ end -}}
{{- end }}

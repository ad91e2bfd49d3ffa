{{- /*
What the hub is given. All else a change of which must not restart it: NotGiven names what is left out, and get_config
says so to a snippet that asks for it.
*/ -}}
{{- define "jupyterhub.notGiven" -}}
[enabled, proxy, ingress, prePuller, rbac, hub.cookieSecret, hub.db.password, hub.db.pvc, hub.extraFiles, hub.networkPolicy,
 singleuser.networkPolicy, singleuser.cloudMetadata, scheduling.podPriority, scheduling.corePods, scheduling.userPlaceholder,
 cull.adminUsers, cull.removeNamedServers, cull.timeout, cull.every, cull.concurrency, cull.maxAge]
{{- end }}

{{- /* The values for the hub, as JSON. */ -}}
{{- define "jupyterhub.given" -}}
{{- $values := .Values | toJson | fromJson -}}
{{- $notGiven := include "jupyterhub.notGiven" . | fromYamlArray -}}
{{- range $notGiven -}}
{{- $names := splitList "." . -}}
{{- $at := $values -}}
{{- range initial $names }}{{ $at = get $at . }}{{ end -}}
{{- $_ := unset $at (last $names) -}}
{{- end -}}
{{- /* Of files only what a pod's spec says: their content is in Secret singleuser. */ -}}
{{- $files := dict -}}
{{- range $key, $file := .Values.singleuser.extraFiles }}{{ $_ := set $files $key (pick $file "mountPath" "mode") }}{{ end -}}
{{- $_ := set $values.singleuser "extraFiles" $files -}}
{{- $_ := set $values "NotGiven" $notGiven -}}
{{- if include "jupyterhub.followsPeople" . }}{{ $_ := set $values "FollowsPeople" true }}{{ end -}}
{{- with include "jupyterhub.priority" . }}{{ $_ := set $values "Names" (dict "priorityClass" .) }}{{ end -}}
{{- $_ := set $values "Chart" (dict "Name" .Chart.Name "Version" .Chart.Version "AppVersion" .Chart.AppVersion) -}}
{{- $_ := set $values "Release" (pick .Release "Name" "Namespace" "Service") -}}
{{ $values | toJson }}
{{- end }}

{{- /*
Whether the running hub follows who is named in allowed_users (files/hub/followed_people.py): not where anything else may
have a say in it, for then what a start reads is not in that list alone.
*/ -}}
{{- define "jupyterhub.followsPeople" -}}
{{- $hub := .Values.hub -}}
{{- $authenticator := ($hub.config | default dict).Authenticator | default dict -}}
{{- $others := list $hub.extraConfig $hub.extraFiles (omit ($hub.config | default dict) "Authenticator") (omit $authenticator "admin_users" "allowed_users" "blocked_users") -}}
{{- if and $authenticator.allowed_users (not $hub.existingSecret) (not (regexMatch "allowed_users|username_map|hub\\.config" (toJson $others))) -}}
true
{{- end -}}
{{- end }}

{{- /* The hub's secrets and files, as data of Secret hub. */ -}}
{{- define "jupyterhub.hubSecrets" -}}
hub.config.ConfigurableHTTPProxy.auth_token: {{ include "jupyterhub.authToken" . | b64enc | quote }}
{{- with include "jupyterhub.cookieSecret" . }}
hub.config.JupyterHub.cookie_secret: {{ b64enc . | quote }}
{{- end }}
{{- with include "jupyterhub.cryptKeys" . }}
hub.config.CryptKeeper.keys: {{ b64enc . | quote }}
{{- end }}
{{- with .Values.hub.db.password }}
hub.db.password: {{ b64enc . | quote }}
{{- end }}
{{- range $name, $service := .Values.hub.services }}
{{- with include "jupyterhub.apiToken" $service }}
hub.services.{{ $name }}.apiToken: {{ b64enc . | quote }}
{{- end }}
{{- end }}
{{- include "jupyterhub.fileData" .Values.hub.extraFiles }}
{{- end }}

{{- /*
What a change of restarts the hub, besides its pod's own fields: all it reads at its start. Not the chart's version, which is in
labels only, nor the names that it follows; that there are some is in FollowsPeople.
*/ -}}
{{- define "jupyterhub.hubChecksum" -}}
{{- $chart := dict "Name" .Chart.Name "Version" "" "AppVersion" "" -}}
{{- $root := merge (dict "Chart" $chart) . -}}
{{- $given := include "jupyterhub.given" $root | fromJson -}}
{{- if $given.FollowsPeople }}{{ $_ := set $given.hub.config.Authenticator "allowed_users" list }}{{ end -}}
{{ print (toJson $given) (include "jupyterhub.hubSecrets" .) | sha256sum }}
{{- end }}

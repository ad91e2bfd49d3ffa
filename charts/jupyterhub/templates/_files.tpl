{{- /* extraFiles as data of a Secret. */ -}}
{{- define "jupyterhub.fileData" -}}
{{- range $key, $file := . }}
{{ $key }}: {{ include "jupyterhub.fileContent" (dict "key" $key "file" $file) | quote }}
{{- end }}
{{- end }}

{{- /* The content of one file in base64: a text as it is, data in the form of the file's ending. */ -}}
{{- define "jupyterhub.fileContent" -}}
{{- $file := .file -}}
{{- $form := ext $file.mountPath -}}
{{- if $file.binaryData -}}
{{ nospace $file.binaryData }}
{{- else if $file.stringData -}}
{{ b64enc $file.stringData }}
{{- else if eq $form ".json" -}}
{{ print (toJson $file.data) "\n" | b64enc }}
{{- else if eq $form ".toml" -}}
{{ print (toToml $file.data | trimSuffix "\n") "\n" | b64enc }}
{{- else -}}
{{ print (toYaml $file.data) "\n" | b64enc }}
{{- end -}}
{{- end }}

{{- /* What is wrong with extraFiles, one thing a line. */ -}}
{{- define "jupyterhub.fileFaults" -}}
{{- $where := .where -}}
{{- range $key, $file := .files }}
{{- $contents := list -}}
{{- range $name := list "data" "stringData" "binaryData" }}{{ if get $file $name }}{{ $contents = append $contents $name }}{{ end }}{{ end -}}
{{- if ne (len $contents) 1 }}
{{ $where }}.{{ $key }} needs exactly one of data, stringData, binaryData
{{- else if and (has "data" $contents) (not (has (ext $file.mountPath) (list ".json" ".yaml" ".yml" ".toml"))) }}
{{ $where }}.{{ $key }}.data is written in the form of the file's ending, and {{ $file.mountPath }} does not end in .json, .yaml, .yml or .toml
{{- end }}
{{- end }}
{{- end }}

<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hubs</title>
<style>
{{ .Files.Get "files/style.css" -}}
</style>
<h1>Hubs</h1>
<ul>
{{- range .Values.hubs }}
<li><a href="{{ .path }}">{{ .name }}</a>{{ if .disabled }} (closed){{ end }}</li>
{{- else }}
<li>There is none yet.</li>
{{- end }}
</ul>
</html>

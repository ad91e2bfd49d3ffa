<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ .hub.name }} is closed</title>
<style>
{{ .Files.Get "files/style.css" -}}
</style>
<h1>{{ .hub.name }} is closed</h1>
<p>{{ .hub.disabled | html }}</p>
<p>The files of its people are kept.</p>
</html>

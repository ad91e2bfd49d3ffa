<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>This hub is starting or being updated</title>
<style>
{{ .Files.Get "files/style.css" -}}
</style>
<h1>This hub does not answer right now</h1>
<p>It may be starting or being updated. Servers that run keep running, and your files are safe.
This page tries again every five seconds.</p>
<p>Does it stay like this? Then the people who run the hub need to know.</p>
</html>

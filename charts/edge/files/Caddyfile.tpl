{{- /* Rendered by templates/configmap.yaml with the chart's values. */ -}}
{
	admin off
	persist_config off
	grace_period 10s
	http_port 8000
	https_port 8443
	{{- if .Values.host }}
	{{- with .Values.email }}
	email {{ . }}
	{{- end }}
	{{- else }}
	auto_https off
	{{- end }}
}

# For Kubernetes' probes, apart from the public address: it answers whatever the hubs do.
http://:8001 {
	respond /healthz 200
}

{{ .Values.host | default "http://:8000" }} {
	root * /etc/caddy/pages
	{{- $whole := false }}
	{{- range .Values.hubs }}
	{{- if eq .path "/" }}
	{{- $whole = true }}
	{{- else }}

	redir {{ trimSuffix "/" .path }} {{ .path }}
	{{- end }}

	# {{ .name }}
	handle {{ .path }}* {
		{{- if .disabled }}
		header Cache-Control no-store
		rewrite * /disabled-{{ .name }}.html
		file_server {
			status 503
		}
		{{- else }}
		reverse_proxy {{ .service | default "proxy-public" }}.{{ .namespace }}.svc:{{ .port | default 80 }} {
			# Progress of starting servers and output of kernels, at once.
			flush_interval -1
			transport http {
				dial_timeout 3s
			}
			# The proxy lives and the hub does not: what comes from a hub carries its version.
			@down {
				status 502 503 504
				header !X-Jupyterhub-Version
			}
			handle_response @down {
				@person path {{ .path }} {{ .path }}hub/*
				error @person 503
				copy_response
			}
		}
		{{- end }}
	}
	{{- end }}
	{{- if not $whole }}

	handle / {
		rewrite * /index.html
		file_server
	}
	{{- end }}

	handle {
		error 404
	}

	handle_errors 404 {
		rewrite * /index.html
		file_server {
			status 404
		}
	}
	handle_errors 502 503 504 {
		header Retry-After 5
		header Cache-Control no-store
		rewrite * /unavailable.html
		file_server {
			status {err.status_code}
		}
	}
}

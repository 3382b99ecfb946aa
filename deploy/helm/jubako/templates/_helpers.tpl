{{- define "jubako.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "jubako.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "jubako.labels" -}}
{{ include "jubako.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "jubako.image" -}}
{{- $variant := ternary "gpu" "cpu" .Values.gpu.enabled -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (printf "%s-%s" .Chart.AppVersion $variant) }}
{{- end -}}
{{- end -}}

{{- define "jubako.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "jubako.name" .) "default" .Values.serviceAccount.create) }}
{{- end -}}

{{- define "jubako.claim" -}}
{{ .Values.store.existingClaim | default (printf "%s-store" (include "jubako.name" .)) }}
{{- end -}}

{{- define "jubako.scheme" -}}
{{ ternary "HTTPS" "HTTP" .Values.tls.enabled }}
{{- end -}}

{{- define "jubako.keyed" -}}
{{- if ne .Values.access.required "never" }}true{{ end -}}
{{- end -}}

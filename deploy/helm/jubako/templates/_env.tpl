{{- define "jubako.env" -}}
{{- if le (int64 .Values.drain.limitMs) (int64 .Values.drain.delayMs) }}
{{- fail "drain.limitMs is counted from SIGTERM; set it above drain.delayMs" }}
{{- end -}}
- {name: JUBAKO_LIFECYCLE__DRAIN_DELAY_MS, value: {{ .Values.drain.delayMs | int64 | quote }}}
- {name: JUBAKO_LIFECYCLE__DRAIN_LIMIT_MS, value: {{ .Values.drain.limitMs | int64 | quote }}}
- {name: JUBAKO_ACCESS__REQUIRED, value: {{ .Values.access.required }}}
{{- if include "jubako.keyed" . }}
- {name: JUBAKO_ACCESS__KEYS_FILE, value: /etc/jubako/access/{{ .Values.access.secretKey }}}
{{- end }}
{{- if .Values.gpu.enabled }}
- {name: JUBAKO_TOPOLOGY, value: split}
- {name: JUBAKO_RUNNERS, value: {{ .Values.gpu.count | toString | quote }}}
- {name: JUBAKO_FRONTS, value: {{ .Values.gpu.fronts | toString | quote }}}
- {name: JUBAKO_ENGINE__DEVICE, value: cuda}
{{- else }}
# A container sees every core of its node, so the engine is told how many are its own
- name: JUBAKO_ENGINE__LANES
  valueFrom:
    resourceFieldRef: {containerName: jubako, resource: requests.cpu, divisor: "1"}
- {name: JUBAKO_ENGINE__THREADS_PER_LANE, value: "1"}
{{- end }}
{{- with .Values.models }}
- {name: JUBAKO_MODELS, value: {{ toJson . | quote }}}
{{- end }}
{{- if .Values.store.enabled }}
- {name: JUBAKO_STORE, value: {{ .Values.store.mountPath }}}
{{- end }}
{{- if .Values.tls.enabled }}
- {name: JUBAKO_GRPC__TLS_CERTIFICATE, value: /etc/jubako/tls/tls.crt}
- {name: JUBAKO_GRPC__TLS_KEY, value: /etc/jubako/tls/tls.key}
{{- end }}
{{- range $name, $value := .Values.env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "jubako.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if include "jubako.keyed" . }}
- {name: access, mountPath: /etc/jubako/access, readOnly: true}
{{- end }}
{{- if .Values.tls.enabled }}
- {name: tls, mountPath: /etc/jubako/tls, readOnly: true}
{{- end }}
{{- if .Values.store.enabled }}
- {name: store, mountPath: {{ .Values.store.mountPath }}, readOnly: {{ .Values.store.readOnly }}}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "jubako.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .Values.tmp.sizeLimit }}}
{{- if include "jubako.keyed" . }}
- name: access
  secret: {secretName: {{ .Values.access.secretName }}, defaultMode: 0440}
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  secret: {secretName: {{ .Values.tls.secretName }}, defaultMode: 0440}
{{- end }}
{{- if .Values.store.enabled }}
- name: store
  persistentVolumeClaim: {claimName: {{ include "jubako.claim" . }}, readOnly: {{ .Values.store.readOnly }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

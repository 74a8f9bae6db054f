{{/* An entry of a pod's initContainers. The application's containers start when it can mint a token. */}}
{{- define "livekit-keyd.sidecar" -}}
- name: livekit-keyd
  restartPolicy: Always
  {{- include "livekit-keyd.container" . | nindent 2 }}
  startupProbe:
    httpGet: {path: /readyz, port: keyd-metrics}
    periodSeconds: 1
    # Long enough for a Vault that is being restarted too.
    failureThreshold: 600
  {{- with .Values.sidecar.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: keyd-socket
      mountPath: /run/livekit-keyd
    {{- include "livekit-keyd.privateMounts" . | nindent 4 }}
{{- end }}

{{/* Entries of the same pod's volumes. */}}
{{- define "livekit-keyd.sidecarVolumes" -}}
- name: keyd-socket
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{ include "livekit-keyd.privateVolumes" (dict "context" . "configMap" (printf "%s-sidecar" (include "livekit-keyd.name" .))) }}
{{- end }}

{{/* An entry of the application's volumeMounts: the folder, since a restarted daemon makes a new socket in it. */}}
{{- define "livekit-keyd.socketMount" -}}
- name: keyd-socket
  mountPath: /run/livekit-keyd
  readOnly: true
{{- end }}

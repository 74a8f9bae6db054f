{{- define "livekit-keyd.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "livekit-keyd.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "livekit-keyd.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "livekit-keyd.commonLabels" -}}
{{ include "livekit-keyd.labels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* What every container of ours may do: nothing beyond its volumes and the network. */}}
{{- define "livekit-keyd.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Where sockets are, for commands run by `kubectl exec`. */}}
{{- define "livekit-keyd.socketPath" -}}
/run/livekit-keyd/sign.sock
{{- end }}

{{- define "livekit-keyd.adminSocketPath" -}}
/run/livekit-keyd-admin/admin.sock
{{- end }}

{{/* The sections of keyd.toml that must agree with the rest of the pod. */}}
{{- define "livekit-keyd.ownSections" -}}
[admin]
socket = {{ include "livekit-keyd.adminSocketPath" . | quote }}

[metrics]
listen = "0.0.0.0:7899"
{{- end }}

{{/* The rotator's publication to a Secret, which its rights must agree with. */}}
{{- define "livekit-keyd.secretSection" -}}
{{- with .Values.rotator.secret }}
{{- if .name }}
[[publish]]
kind = "kubernetes_secret"
namespace = {{ .namespace | default $.Release.Namespace | quote }}
name = {{ .name | quote }}
key = {{ .key | quote }}
{{- with .restart }}
restart = {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The container's part that rotator and sidecar share. */}}
{{- define "livekit-keyd.container" -}}
image: {{ include "livekit-keyd.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run, --config, /etc/livekit-keyd/keyd.toml]
env:
  - name: LIVEKIT_KEYD_ADMIN_SOCKET
    value: {{ include "livekit-keyd.adminSocketPath" . }}
  - name: LIVEKIT_KEYD_SOCKET
    value: {{ include "livekit-keyd.socketPath" . }}
ports:
  - name: keyd-metrics
    containerPort: 7899
# Alive whether Vault is or not: a restart would forget the keys that bridge an outage.
livenessProbe:
  httpGet: {path: /healthz, port: keyd-metrics}
  periodSeconds: 10
  failureThreshold: 6
securityContext:
  runAsUser: {{ .Values.runAs.user }}
  runAsGroup: {{ .Values.runAs.group }}
  {{- include "livekit-keyd.containerSecurity" . | nindent 2 }}
{{- end }}

{{/* Mounts that the application must not have. */}}
{{- define "livekit-keyd.privateMounts" -}}
- name: keyd-config
  mountPath: /etc/livekit-keyd
  readOnly: true
- name: keyd-admin
  mountPath: /run/livekit-keyd-admin
- name: keyd-state
  mountPath: /var/lib/livekit-keyd
{{- if .Values.vault.credentialsSecret }}
- name: keyd-credentials
  mountPath: /run/secrets/livekit-keyd
  readOnly: true
{{- end }}
{{- if .Values.vault.tokenAudience }}
- name: keyd-vault-token
  mountPath: /run/secrets/vault
  readOnly: true
{{- end }}
{{- end }}

{{/* Volumes of a daemon whose ConfigMap is .configMap, in the chart's context .context. */}}
{{- define "livekit-keyd.privateVolumes" -}}
- name: keyd-config
  configMap:
    name: {{ .configMap }}
- name: keyd-admin
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
# What a restarted container must still know: how new the documents were that it saw.
- name: keyd-state
  emptyDir: {sizeLimit: 16Mi}
{{- with .context.Values.vault.credentialsSecret }}
- name: keyd-credentials
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .context.Values.vault.tokenAudience }}
- name: keyd-vault-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          audience: {{ . | quote }}
          expirationSeconds: 3600
          path: token
{{- end }}
{{- end }}

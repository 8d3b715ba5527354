{{- define "cmlmanager.name" -}}
{{- printf "%s" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "cmlmanager.labels" -}}
app.kubernetes.io/name: cmlmanager
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "cmlmanager.selector" -}}
app.kubernetes.io/name: cmlmanager
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "cmlmanager.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "cmlmanager.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "cmlmanager.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- /* One container of the image. Takes root, component, arguments, resources; ports and probes are added by the caller. */ -}}
{{- define "cmlmanager.container" -}}
name: {{ .component }}
image: {{ include "cmlmanager.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ toJson .arguments }}
envFrom:
  - configMapRef:
      name: {{ include "cmlmanager.name" .root }}
env:
  {{- range .root.Values.existingSecret.keys }}
  - name: {{ . }}
    valueFrom:
      secretKeyRef:
        name: {{ $.root.Values.existingSecret.name }}
        key: {{ . }}
  {{- end }}
  {{- range .root.Values.existingSecret.optionalKeys }}
  - name: {{ . }}
    valueFrom:
      secretKeyRef:
        name: {{ $.root.Values.existingSecret.name }}
        key: {{ . }}
        optional: true
  {{- end }}
  {{- with .concurrency }}
  - name: WORKER_CONCURRENCY
    value: {{ . | quote }}
  {{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources: {{ toJson .resources }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: data
    mountPath: /data
{{- end -}}

{{- /* What every pod has around its container. */ -}}
{{- define "cmlmanager.pod" -}}
serviceAccountName: {{ include "cmlmanager.serviceAccount" .root }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
volumes:
  - name: tmp
    emptyDir:
      medium: Memory
      sizeLimit: 256Mi
  - name: data
    emptyDir:
      sizeLimit: 1Gi
{{- with .process }}
{{- with .nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "cmlmanager.selector" (dict "root" .root "component" .component) | nindent 8 }}
{{- end -}}

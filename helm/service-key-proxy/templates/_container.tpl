{{/*
The container, for this chart's deployment and for the pods of others. All take the scope of this
chart; a parent chart has it as `index .Subcharts "service-key-proxy"`.

  service-key-proxy.container       of a service, an item of `containers`
  service-key-proxy.nativeSidecar   an item of `initContainers`: starts before the app and ends after it
  service-key-proxy.sidecar         an item of `containers`, for clusters before 1.29
  service-key-proxy.volumes         the items of `volumes` that go with each of them
*/}}

{{- define "service-key-proxy.container" -}}
- name: proxy
  {{- include "service-key-proxy.image" . | nindent 2 }}
  ports:
    - name: http
      containerPort: 8080
      protocol: TCP
    - name: admin
      containerPort: 9090
      protocol: TCP
  env:
    - name: SKP_PORT
      value: "8080"
    - name: SKP_ADMIN_PORT
      value: "9090"
    {{- include "service-key-proxy.settings" . | nindent 4 }}
  {{- include "service-key-proxy.probe" (list "startupProbe" "/live" "admin" .Values.startupProbe) | nindent 2 }}
  {{- include "service-key-proxy.probe" (list "livenessProbe" "/live" "admin" .Values.livenessProbe) | nindent 2 }}
  {{- include "service-key-proxy.probe" (list "readinessProbe" "/ready" "admin" .Values.readinessProbe) | nindent 2 }}
  {{- include "service-key-proxy.mounts" . | nindent 2 }}
{{- end -}}

{{/* The kubelet stops it only when the app has ended, so there is nobody to wait for. */}}
{{- define "service-key-proxy.nativeSidecar" -}}
{{- include "service-key-proxy.sidecarOf" (dict "scope" . "drainDelay" "0s" "native" true) -}}
{{- end -}}

{{/* Told to stop together with the app, which may still be calling. */}}
{{- define "service-key-proxy.sidecar" -}}
{{- include "service-key-proxy.sidecarOf" (dict "scope" . "drainDelay" "10s") -}}
{{- end -}}

{{- define "service-key-proxy.sidecarOf" -}}
{{- $proxy := .scope -}}
- name: service-key-proxy
  {{- include "service-key-proxy.image" $proxy | nindent 2 }}
  {{- if .native }}
  restartPolicy: Always
  {{- end }}
  ports:
    - name: skp-admin
      containerPort: {{ $proxy.Values.sidecar.adminPort }}
      protocol: TCP
  env:
    - name: SKP_MODE
      value: sidecar
    - name: SKP_PORT
      value: {{ $proxy.Values.sidecar.port | quote }}
    - name: SKP_ADMIN_PORT
      value: {{ $proxy.Values.sidecar.adminPort | quote }}
    {{- if not (hasKey $proxy.Values.settings "SKP_ADMIN_HOST") }}
    # The kubelet asks from outside the pod.
    - name: SKP_ADMIN_HOST
      value: 0.0.0.0
    {{- end }}
    {{- if not (hasKey $proxy.Values.settings "SKP_DRAIN_DELAY") }}
    - name: SKP_DRAIN_DELAY
      value: {{ .drainDelay }}
    {{- end }}
    {{- include "service-key-proxy.settings" $proxy | nindent 4 }}
  {{- include "service-key-proxy.probe" (list "startupProbe" "/live" "skp-admin" $proxy.Values.startupProbe) | nindent 2 }}
  {{- include "service-key-proxy.probe" (list "livenessProbe" "/live" "skp-admin" $proxy.Values.livenessProbe) | nindent 2 }}
  {{- if $proxy.Values.sidecar.readiness }}
  {{- include "service-key-proxy.probe" (list "readinessProbe" "/ready" "skp-admin" $proxy.Values.readinessProbe) | nindent 2 }}
  {{- end }}
  {{- include "service-key-proxy.mounts" $proxy | nindent 2 }}
{{- end -}}

{{- define "service-key-proxy.image" -}}
{{- $repository := required "image.repository is required: no image is published" .Values.image.repository -}}
{{- $version := printf ":%s" (default .Chart.AppVersion .Values.image.tag) -}}
{{- if .Values.image.digest }}{{ $version = printf "@%s" .Values.image.digest }}{{ end -}}
image: {{ printf "%s%s" $repository $version | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "service-key-proxy.settings" -}}
{{- if include "service-key-proxy.secretKey" . -}}
- name: SKP_KEY_FILE
  value: /bindings/service-key/{{ include "service-key-proxy.secretKey" . }}
{{- else -}}
- name: SERVICE_BINDING_ROOT
  value: /bindings
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ kindIs "float64" $value | ternary (int64 $value) $value | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (list NAME PATH PORT VALUES) */}}
{{- define "service-key-proxy.probe" -}}
{{ index . 0 }}:
  httpGet:
    path: {{ index . 1 }}
    port: {{ index . 2 }}
  {{- with index . 3 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "service-key-proxy.mounts" -}}
volumeMounts:
  # A directory, never subPath: only directories follow a rotation of the key.
  - name: service-key
    mountPath: /bindings/service-key
    readOnly: true
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "service-key-proxy.volumes" -}}
- name: service-key
  secret:
    secretName: {{ include "service-key-proxy.secretName" . | quote }}
    # Readable for any user id; nothing else is mounted into this container.
    defaultMode: 0444
    {{- with include "service-key-proxy.secretKey" . }}
    # The pod waits for this field of the Secret instead of starting without it.
    items:
      - key: {{ . | quote }}
        path: {{ . | quote }}
    {{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

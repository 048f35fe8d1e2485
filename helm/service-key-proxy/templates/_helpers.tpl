{{- define "service-key-proxy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "service-key-proxy.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "service-key-proxy.selectorLabels" -}}
app.kubernetes.io/name: {{ include "service-key-proxy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "service-key-proxy.labels" -}}
{{ include "service-key-proxy.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "service-key-proxy.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "service-key-proxy.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "service-key-proxy.secretName" -}}
{{- if .Values.existingSecret.name -}}
{{- .Values.existingSecret.name -}}
{{- else -}}
{{- default (printf "%s-key" (include "service-key-proxy.fullname" .)) .Values.serviceBinding.secretName -}}
{{- end -}}
{{- end -}}

{{/* Field of the Secret with the whole service key as JSON; empty: there is none. */}}
{{- define "service-key-proxy.secretKey" -}}
{{- if .Values.existingSecret.name -}}
{{- .Values.existingSecret.key -}}
{{- else -}}
credentials
{{- end -}}
{{- end -}}

{{/* Label that a pod of the same namespace needs to be let in. */}}
{{- define "service-key-proxy.callerLabel" -}}
service-key-proxy/{{ include "service-key-proxy.fullname" . }}: caller
{{- end -}}

{{/* A duration as the proxy writes it (500ms, 25s, 2m, 1h) in whole milliseconds. */}}
{{- define "service-key-proxy.milliseconds" -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $factor := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit -}}
{{- if or (not (regexMatch "^[0-9]+[a-z]+$" .)) (not $factor) -}}
{{- fail (printf "settings.SKP_DRAIN_TIMEOUT: expected a duration such as 25s, got %q" .) -}}
{{- end -}}
{{- mul (regexFind "^[0-9]+" . | int64) $factor -}}
{{- end -}}

{{/* The kubelet must not kill the proxy while it finishes what is in flight. */}}
{{- define "service-key-proxy.gracePeriod" -}}
{{- $drain := .Values.settings.SKP_DRAIN_TIMEOUT | default "25s" | toString -}}
{{- $grace := .Values.terminationGracePeriodSeconds | int64 -}}
{{- if le (mul $grace 1000) (include "service-key-proxy.milliseconds" $drain | int64) -}}
{{- fail (printf "terminationGracePeriodSeconds (%d) must be longer than SKP_DRAIN_TIMEOUT (%s)" $grace $drain) -}}
{{- end -}}
{{- $grace -}}
{{- end -}}

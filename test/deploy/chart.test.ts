/** The charts as helm renders them: valid objects for every switch, and what must hold in all of them. */
import t from 'tap'
import { cpSync, writeFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { missing, run, template } from './tools.ts'

const CHART = 'helm/service-key-proxy'
const SKIP = { skip: missing('helm') }
const IMAGE = { image: { repository: 'registry.example.com/service-key-proxy' } }

interface Container {
  readonly name: string
  readonly restartPolicy?: string
  readonly env: readonly { readonly name: string; readonly value?: string }[]
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly volumeMounts: readonly { readonly mountPath: string; readonly subPath?: string }[]
  readonly envFrom?: unknown
}

interface Rendered {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: Readonly<Record<string, unknown>> & {
    readonly template?: { readonly spec: PodSpec }
  }
}

interface PodSpec {
  readonly automountServiceAccountToken: boolean
  readonly initContainers?: readonly Container[]
  readonly containers: readonly Container[]
}

/** `.ci/deployments` names a folder with the real ones, as far as they can be had. */
const definitions = process.env['DEPLOY_CRDS'] ?? 'test/deploy/crds'

const dir = t.testdir({ rendered: {} })
let files = 0
const written = (values: object): string => {
  const file = `${dir}/values-${(files += 1)}.json`
  writeFileSync(file, JSON.stringify(values))
  return file
}

const objects = (yaml: string): readonly Rendered[] =>
  parseAllDocuments(yaml).flatMap((document) => (document.toJS() as Rendered | null) ?? [])

const render = (values: object, chart = CHART): readonly Rendered[] => {
  const yaml = template(chart, written(values))
  writeFileSync(`${dir}/rendered/${files}.yaml`, yaml)
  return objects(yaml)
}

const kinds = (rendered: readonly Rendered[]): readonly string[] =>
  rendered.map(({ kind }) => kind).toSorted()

const podOf = (rendered: readonly Rendered[]): PodSpec =>
  rendered.find(({ kind }) => kind === 'Deployment')?.spec.template?.spec as PodSpec

const DEFAULT_KINDS = [
  'Deployment',
  'NetworkPolicy',
  'PodDisruptionBudget',
  'Service',
  'ServiceAccount',
  'ServiceBinding',
  'ServiceInstance',
]
const without = (...gone: string[]): readonly string[] =>
  DEFAULT_KINDS.filter((kind) => !gone.includes(kind))
const plus = (...more: string[]): readonly string[] => [...DEFAULT_KINDS, ...more].toSorted()

const MATRIX: readonly (readonly [string, object, readonly string[]])[] = [
  ['defaults', {}, DEFAULT_KINDS],
  [
    'an instance that exists',
    { serviceInstance: { existingName: 'x' } },
    without('ServiceInstance'),
  ],
  [
    'a Secret that exists',
    { existingSecret: { name: 'key' } },
    without('ServiceInstance', 'ServiceBinding'),
  ],
  [
    'a Secret with a field for each value',
    { existingSecret: { name: 'key', key: '' } },
    without('ServiceInstance', 'ServiceBinding'),
  ],
  ['no policy', { networkPolicy: { enabled: false } }, without('NetworkPolicy')],
  ['no budget', { podDisruptionBudget: { enabled: false } }, without('PodDisruptionBudget')],
  ['no account', { serviceAccount: { create: false } }, without('ServiceAccount')],
  ['autoscaling', { autoscaling: { enabled: true } }, plus('HorizontalPodAutoscaler')],
  ['mesh', { istio: { enabled: true } }, plus('PeerAuthentication')],
  [
    'monitoring',
    {
      metrics: {
        annotations: true,
        serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
        prometheusRule: { enabled: true },
        dashboard: { enabled: true },
      },
    },
    plus('ConfigMap', 'PrometheusRule', 'Service', 'ServiceMonitor'),
  ],
  [
    'lists and settings',
    {
      replicas: 3,
      settings: { SKP_LOG_LEVEL: 'warn', SKP_MAX_IN_FLIGHT: 2_000_000 },
      extraEnv: [{ name: 'NODE_EXTRA_CA_CERTS', value: '/ca/ca.pem' }],
      extraVolumes: [{ name: 'ca', configMap: { name: 'ca' } }],
      extraVolumeMounts: [{ name: 'ca', mountPath: '/ca', readOnly: true }],
      imagePullSecrets: [{ name: 'pull' }],
      networkPolicy: {
        callers: [{ podSelector: { matchLabels: { app: 'a' } } }],
        monitoring: [],
        egressPorts: [443, 8443],
        extraEgress: [{ ports: [{ port: 3128, protocol: 'TCP' }] }],
      },
      tolerations: [{ key: 'a', operator: 'Exists' }],
      nodeSelector: { disk: 'ssd' },
      podAnnotations: { a: 'b' },
      serviceBinding: { parameters: { 'credential-type': 'x509' }, rotation: { frequency: '72h' } },
    },
    DEFAULT_KINDS,
  ],
  ['key of a sidecar', { mode: 'sidecar' }, ['ServiceBinding', 'ServiceInstance']],
]

const example = (values: object): readonly Rendered[] =>
  render({ ...values, 'service-key-proxy': { mode: 'sidecar', ...IMAGE } }, `${dir}/example-app`)

t.before(() => {
  if (SKIP.skip !== false) return
  cpSync('helm', dir, { recursive: true })
  run('helm', ['dependency', 'build', '--skip-refresh', `${dir}/example-app`])
})

t.test('both charts pass the strict lint', SKIP, async (t) => {
  for (const chart of ['service-key-proxy', 'example-app']) {
    const set = ['--set', 'image.repository=x', '--set', 'service-key-proxy.image.repository=x']
    const own = chart === 'example-app' ? set.slice(2) : set.slice(0, 2)
    const { status, stdout } = run('helm', ['lint', '--strict', `${dir}/${chart}`, ...own])
    t.equal(status, 0, stdout)
  }
})

for (const [name, values, expected] of MATRIX) {
  t.test(`renders ${name}`, SKIP, async (t) => {
    t.same(kinds(render({ ...IMAGE, ...values })), expected)
  })
}

t.test('the container has no rights, no token and a key that can rotate', SKIP, async (t) => {
  const pods = [
    podOf(render(IMAGE)),
    podOf(example({ nativeSidecar: true })),
    podOf(example({ nativeSidecar: false })),
  ]
  for (const pod of pods) {
    t.equal(pod.automountServiceAccountToken, false)
    const [proxy] = [...(pod.initContainers ?? []), ...pod.containers]
    t.match(proxy?.securityContext, {
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    })
    t.notMatch(proxy?.securityContext, { runAsUser: Number }, 'any user id will do')
    t.same(
      proxy?.volumeMounts.map(({ mountPath, subPath }) => [mountPath, subPath]),
      [['/bindings/service-key', undefined]],
      'a directory follows a rotation, a subPath does not',
    )
    t.equal(proxy?.envFrom, undefined, 'the environment never follows one')
  }
})

const rotationOf = (rotation: object): unknown =>
  render({ ...IMAGE, serviceBinding: { rotation } }).find(({ kind }) => kind === 'ServiceBinding')
    ?.spec['credentialsRotationPolicy']

t.test('a binding is rotated unless that is switched off', SKIP, async (t) => {
  t.same(rotationOf({}), { enabled: true, rotationFrequency: '600h', rotatedBindingTTL: '48h' })
  t.equal(rotationOf({ enabled: false }), undefined)
})

t.test(
  'the policy lets in callers with the label, and scrapers at the admin port',
  SKIP,
  async (t) => {
    const policy = render(IMAGE).find(({ kind }) => kind === 'NetworkPolicy')
    t.match(policy?.spec, {
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            {
              podSelector: {
                matchLabels: { 'service-key-proxy/intas-service-key-proxy': 'caller' },
              },
            },
          ],
          ports: [{ port: 'http' }],
        },
        { ports: [{ port: 'admin' }] },
      ],
    })
  },
)

t.test(
  'a native sidecar starts before the app, listens on loopback and is probed',
  SKIP,
  async (t) => {
    const pod = podOf(example({ nativeSidecar: true }))
    t.match(pod.initContainers?.[0], {
      restartPolicy: 'Always',
      startupProbe: { httpGet: { path: '/live', port: 'skp-admin' } },
      readinessProbe: { httpGet: { path: '/ready', port: 'skp-admin' } },
    })
    const env = Object.fromEntries(pod.initContainers?.[0]?.env.map((e) => [e.name, e.value]) ?? [])
    t.match(env, { SKP_MODE: 'sidecar', SKP_PORT: '8081', SKP_ADMIN_HOST: '0.0.0.0' })
    t.notOk('SKP_HOST' in env)
    t.match(pod.containers[0], {
      env: [{ name: 'ENTITIES_URL', value: `http://127.0.0.1:${env['SKP_PORT']}` }],
    })
  },
)

t.test('a plain sidecar is a container beside the app', SKIP, async (t) => {
  const pod = podOf(example({ nativeSidecar: false }))
  t.equal(pod.initContainers, undefined)
  t.same(
    pod.containers.map(({ name, restartPolicy }) => [name, restartPolicy]),
    [
      ['service-key-proxy', undefined],
      ['app', undefined],
    ],
  )
})

const REFUSED: readonly (readonly [string, object, RegExp])[] = [
  ['no image', { image: {} }, /image\.repository is required/],
  ['an unknown value', { replicaCount: 2 }, /replicaCount/],
  ['a setting of the chart', { settings: { SKP_PORT: 1 } }, /SKP_PORT|settings/],
  ['a bare boolean as a setting', { settings: { SKP_REPLAY_WRITES: true } }, /SKP_REPLAY_WRITES/],
  [
    'a stop that is cut short',
    { settings: { SKP_DRAIN_TIMEOUT: '1m' } },
    /must be longer than SKP_DRAIN_TIMEOUT/,
  ],
  [
    'a key name that SAP BTP refuses',
    { serviceBinding: { externalName: 'x'.repeat(33) } },
    /xternalName/,
  ],
]

for (const [name, values, words] of REFUSED) {
  t.test(`refuses ${name}`, SKIP, async (t) => {
    t.throws(() => render({ ...IMAGE, ...values }), { message: words })
  })
}

t.test(
  'all that was rendered is valid for Kubernetes, without unknown fields',
  {
    skip: SKIP.skip || missing('kubectl-validate'),
  },
  async (t) => {
    const schemas = ['--local-crds', definitions, '--version', '1.30']
    const { status, stdout, stderr } = run('kubectl-validate', [`${dir}/rendered`, ...schemas])
    t.equal(status, 0, stdout + stderr)
  },
)

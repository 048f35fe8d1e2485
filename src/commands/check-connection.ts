/** The step of `check` that connects to the token server and to the API. */
import type { ServiceKey } from '../service-key/service-key.ts'
import { reach, type Finding, type Online, type Place } from './check-place.ts'
import type { StepReport } from './check-report.ts'
import { EXIT } from './edge.ts'

const FEW_DAYS = 14

const placesOf = ({ tokenEndpoint, baseUrl, authentication }: ServiceKey): readonly Place[] => {
  const client =
    authentication.method === 'tls_client_auth'
      ? { cert: authentication.certificate, key: authentication.privateKey }
      : {}
  return [
    { name: 'token server', url: tokenEndpoint, client },
    { name: 'API', url: baseUrl, client: {} },
  ]
}

const titleOf = ({ name, url }: Place): string => `${name} ${url.host}`

const encryptionOf = ({ protocol, problem }: Finding): string =>
  protocol ?? (problem === undefined ? 'no TLS' : 'no connection')

const wayOf = ({ addresses, proxy }: Finding): readonly string[] =>
  proxy === undefined
    ? addresses
    : [`through the proxy ${new URL(proxy.origin).host} (${proxy.variable})`]

const rowsOf = (finding: Finding): StepReport['rows'] => [
  [titleOf(finding.place), [...wayOf(finding), encryptionOf(finding)].join(', ')],
  ...finding.chain.map(
    ({ subject, issuer, notAfter, daysLeft }, index): StepReport['rows'][number] => [
      `certificate ${index + 1}`,
      `${subject}, issued by ${issuer}, ${daysLeft} days left (until ${notAfter})`,
    ],
  ),
]

const warningsOf = ({ place, chain, problem }: Finding): readonly string[] =>
  chain
    .filter(({ daysLeft }) => problem === undefined && daysLeft < FEW_DAYS)
    .map(
      ({ subject, daysLeft }) =>
        `${titleOf(place)}: the certificate of ${subject} has ${daysLeft} days left; its operator must renew it`,
    )

/** Both hosts at once, so that the problems of both are known. */
export const checkConnection = async (online: Online, key: ServiceKey): Promise<StepReport> => {
  const findings = await Promise.all(placesOf(key).map((place) => reach(online, place)))
  const failed = findings.filter(({ problem }) => problem !== undefined)
  return {
    step: 'connection',
    exitCode: failed[0]?.exitCode ?? EXIT.stopped,
    summary:
      failed.length === 0
        ? 'token server and API can be reached'
        : `no connection to the ${failed.map(({ place }) => place.name).join(' and the ')}`,
    problems: failed.map(({ place, problem }) => `${titleOf(place)}: ${problem}`),
    warnings: findings.flatMap(warningsOf),
    rows: findings.flatMap(rowsOf),
    data: {
      hosts: findings.map(({ place, addresses, proxy, chain, protocol }) => ({
        name: place.name,
        host: place.url.host,
        addresses,
        proxy: proxy && { origin: proxy.origin, variable: proxy.variable },
        protocol,
        chain,
      })),
    },
  }
}

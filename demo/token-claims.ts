// The claims XSUAA puts into a technical client's token, with the scopes of Integration Assessment.
// They make the token about as long as a real one, which matters for header limits.

/** Application name of the demo Entities API at the token server: the audience of its tokens. */
export const XSAPPNAME = 'intas-demo!b678'

const READ_WRITE_DELETE = ['Read', 'Write', 'Delete']
const SCOPES = [
  ...READ_WRITE_DELETE.map((right) => `IntasIsa.${right}`),
  ...READ_WRITE_DELETE.map((right) => `IntasApplication.${right}`),
  ...READ_WRITE_DELETE.map((right) => `IntasRequest.${right}`),
].map((scope) => `${XSAPPNAME}.${scope}`)

const ZONE = '5c1f0d3e-8a8e-4f0b-9d26-3f1f6f7c2a10'

export function tokenClaims(clientId: string) {
  return {
    ext_attr: {
      enhancer: 'XSUAA',
      subaccountid: ZONE,
      zdn: 'acme-demo',
      serviceinstanceid: 'b6a5f2f4-52a7-4d5f-8f0e-0b7f8f9d6c11',
    },
    authorities: SCOPES,
    scope: SCOPES,
    client_id: clientId,
    cid: clientId,
    azp: clientId,
    grant_type: 'client_credentials',
    rev_sig: 'a7c3f0d1',
    zid: ZONE,
  }
}

// Checks bearer tokens with SAP's own library, as a service on SAP BTP does: signature by the token
// server's published keys, expiry and audience. XSUAA tokens are bound to a landscape by those keys,
// so the library compares no issuer.
import xssec from '@sap/xssec'
import { XSAPPNAME } from './token-claims.ts'

export interface TokenVerificationOptions {
  /** Origin of the token server. */
  readonly tokenServerUrl: string
  /** PEM of the authority that signed the token server's certificate. */
  readonly authority: string
  /** Tells whether the token with this `jti` has been revoked; none is unless told. */
  readonly isRevoked?: (jti: string) => boolean
}

/** Answers whether an `authorization` header carries a token to accept. Never says why not. */
export type TokenVerification = (authorization: string | undefined) => Promise<boolean>

export function createTokenVerification(options: TokenVerificationOptions): TokenVerification {
  const { tokenServerUrl, authority, isRevoked = () => false } = options

  // The library offers no setting for a private authority, only this one place for its requests.
  class PrivateXsuaaService extends xssec.XsuaaService {
    override buildRequest(request?: Parameters<xssec.XsuaaService['buildRequest']>[0]) {
      return { ...super.buildRequest(request), ca: authority }
    }
  }

  const service = new PrivateXsuaaService({
    clientid: `sb-${XSAPPNAME}`,
    xsappname: XSAPPNAME,
    url: tokenServerUrl,
    uaadomain: new URL(tokenServerUrl).host,
  })

  return async (authorization = '') => {
    const jwt = /^Bearer (\S+)$/i.exec(authorization)?.[1]
    if (jwt === undefined) return false
    try {
      const { token } = await xssec.createSecurityContext(service, { jwt })
      return !isRevoked(String(token.payload.jti))
    } catch (error) {
      if (error instanceof xssec.errors.ValidationError) return false
      throw error
    }
  }
}

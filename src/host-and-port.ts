/** Where a URL leads, as sockets want it. Pure. */

/** `[::1]` → `::1` */
export const bareHost = (host: string): string => host.replace(/^\[(.*)\]$/, '$1')

/** The one that is written, or else that of the scheme. */
export const portOf = ({ port, protocol }: Pick<URL, 'port' | 'protocol'>): number =>
  Number(port || (protocol === 'https:' ? 443 : 80))

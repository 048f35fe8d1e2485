/** CAP runs on Node 22 or later; false where it can. */
export const needsNode22: string | false =
  Number(process.versions.node.split('.')[0]) < 22 && 'CAP needs Node 22'

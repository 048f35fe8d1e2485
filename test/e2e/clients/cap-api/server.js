// What CAP is told beside the model: nothing about users, because tokens are checked in front of it,
// who makes an Id, and the demo's data, whose rows keep the Id of what they link to as `VendorId` instead of `Vendor_Id`.
const { randomUUID } = require('node:crypto')
const { readFileSync } = require('node:fs')
const path = require('node:path')
const cds = require('@sap/cds')

const DATA = path.resolve(__dirname, '../../../../demo/service/data')

const rowFor = (entity, stored) => {
  const columns = Object.entries(stored).map(([name, value]) => [
    name.endsWith('Id') && entity.elements[name.slice(0, -2)]?.isAssociation
      ? name.replace(/Id$/, '_Id')
      : name,
    value,
  ])
  return Object.fromEntries(columns)
}

cds.on('served', async () => {
  const db = await cds.connect.to('db')
  const service = cds.services['com.sap.intas.entities']
  service.before('CREATE', '*', ({ target, data }) => {
    if (target.keys.Id) data.Id = randomUUID()
  })
  for (const entity of service.entities) {
    const name = entity.name.split('.').pop()
    const rows = JSON.parse(readFileSync(path.join(DATA, `${name}.json`), 'utf8'))
    if (rows.length > 0)
      await db.run(INSERT.into(entity).entries(rows.map((row) => rowFor(entity, row))))
  }
})

module.exports = cds.server

/** Fields by which SAP's logging services tell apps and their instances apart. Pure. */

const FIELDS: Readonly<Record<string, string>> = {
  component_id: 'application_id',
  component_name: 'application_name',
  space_id: 'space_id',
  space_name: 'space_name',
  organization_id: 'organization_id',
  organization_name: 'organization_name',
}

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/**
 * @param environment with `VCAP_APPLICATION` and `CF_INSTANCE_INDEX`, on Cloud Foundry
 * @returns nothing elsewhere
 */
export const cloudFoundryFields = (
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> => {
  const application = parse(environment['VCAP_APPLICATION'] ?? '')
  if (typeof application !== 'object' || application === null) return {}
  const values = application as Readonly<Record<string, unknown>>
  const fields: Record<string, string> = { component_type: 'application' }
  for (const [name, source] of Object.entries(FIELDS)) {
    const value = values[source]
    if (typeof value === 'string') fields[name] = value
  }
  const index = environment['CF_INSTANCE_INDEX'] ?? values['instance_index']
  if (typeof index === 'string' || typeof index === 'number') {
    fields['component_instance'] = String(index)
    fields['source_instance'] = String(index)
  }
  return fields
}

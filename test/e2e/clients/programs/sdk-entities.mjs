/** What the SDK's generator would have made of the model, cut down to three entity sets. */
import * as sdk from '@sap-cloud-sdk/odata-v2'

class Builder extends sdk.RequestBuilder {
  getAll = () => new sdk.GetAllRequestBuilder(this.entityApi)
  getByKey = (Id) => new sdk.GetByKeyRequestBuilder(this.entityApi, { Id })
  create = (entity) => new sdk.CreateRequestBuilder(this.entityApi, entity)
  update = (entity) => new sdk.UpdateRequestBuilder(this.entityApi, entity)
  delete = (Id) => new sdk.DeleteRequestBuilder(this.entityApi, { Id })
}

const entityApi = (name, links = {}) => {
  const entityConstructor = class extends sdk.Entity {
    static _entityName = name
    static _defaultBasePath = '/'
    static _keys = ['Id']
  }
  const deSerializers = sdk.defaultDeSerializers
  const fields = new sdk.FieldBuilder(entityConstructor, deSerializers)
  const api = {
    deSerializers,
    entityConstructor,
    requestBuilder: () => new Builder(api),
    entityBuilder: () => sdk.entityBuilder(api),
    customField: (field) => new sdk.CustomField(field, entityConstructor, deSerializers),
    schema: {
      ID: fields.buildEdmTypeField('Id', 'Edm.String', false),
      NAME: fields.buildEdmTypeField('Name', 'Edm.String', false),
      CREATED_AT: fields.buildEdmTypeField('CreatedAt', 'Edm.DateTime', true),
      ALL_FIELDS: new sdk.AllFields('*', entityConstructor),
    },
  }
  for (const [link, target] of Object.entries(links)) {
    api.schema[link.toUpperCase()] = new sdk.OneToOneLink(link, api, target)
  }
  return api
}

export const vendors = entityApi('Vendor')
export const applications = entityApi('Application', { Vendor: vendors })
export const instances = entityApi('ApplicationInstance', { Application: applications })

export const batch = (...requests) => new sdk.ODataBatchRequestBuilder('/', requests)
export const changeSet = (...requests) => new sdk.BatchChangeSet(requests)

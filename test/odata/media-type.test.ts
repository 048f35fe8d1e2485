import t from 'tap'
import { errorDocument, requestedVersion } from '../../src/odata/media-type.ts'

const MESSAGE = 'says "no"\n'

t.test('V2 wraps the message in its language', async (t) => {
  t.strictSame(JSON.parse(errorDocument('bad_request', MESSAGE, 'V2')), {
    error: { code: 'bad_request', message: { lang: 'en', value: MESSAGE } },
  })
})

t.test('V4 has the message as plain text', async (t) => {
  t.strictSame(JSON.parse(errorDocument('bad_request', MESSAGE, 'V4')), {
    error: { code: 'bad_request', message: MESSAGE },
  })
})

const VERSIONS: Record<string, [headers: Record<string, string>, version: 'V2' | 'V4']> = {
  'no version': [{}, 'V2'],
  'the fields of V2': [{ dataserviceversion: '2.0', maxdataserviceversion: '2.0' }, 'V2'],
  'OData-Version': [{ 'odata-version': '4.0' }, 'V4'],
  'OData-MaxVersion': [{ 'odata-maxversion': '4.01' }, 'V4'],
}

for (const [title, [headers, version]] of Object.entries(VERSIONS)) {
  t.test(`a request with ${title} is answered as ${version}`, async (t) => {
    t.equal(requestedVersion(headers), version)
  })
}

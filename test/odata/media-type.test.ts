import t from 'tap'
import { errorDocument, requestedVersion, rewritableType } from '../../src/odata/media-type.ts'

const TYPES: Record<string, string> = {
  'application/json': 'document',
  'Application/JSON; charset=UTF-8': 'document',
  'application/json;odata=verbose': 'document',
  'application/json; charset="utf-8"; odata=verbose': 'document',
  'application/atom+xml;type=feed': 'document',
  'application/atomsvc+xml': 'document',
  'application/xml ; charset=iso-8859-1': 'document',
  'text/xml': 'document',
  'multipart/mixed; boundary=b_1': '--b_1',
  'multipart/mixed;charset=utf-8;boundary="a b"': '--a b',
  'multipart/mixed': 'none',
  'multipart/mixed; type="a/b"': 'none',
  'multipart/form-data; boundary=b': 'none',
  'application/json; charset=utf-16': 'none',
  'application/jsonx': 'none',
  'image/svg+xml': 'none',
  'text/html': 'none',
  'text/plain': 'none',
  'application/octet-stream': 'none',
  '': 'none',
}

for (const [contentType, expected] of Object.entries(TYPES)) {
  t.test(`links are looked for in "${contentType}": ${expected}`, async (t) => {
    const type = rewritableType(contentType)
    t.equal(type?.kind === 'multipart' ? type.delimiter : (type?.kind ?? 'none'), expected)
  })
}

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

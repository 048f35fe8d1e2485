import t from 'tap'
import { errorSections } from '../../src/console/page-files.ts'

t.test('a section without a part has none of it', async (t) => {
  const document = '# Errors\n\n## code\n\n503\n\n**Cause.** A [link](x.md).\n'
  t.same(errorSections(document), [
    { code: 'code', summary: '503', cause: 'A link.', operator: '', caller: '' },
  ])
})

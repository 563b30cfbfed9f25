import { describe, expect, it } from 'vitest'
import { pageText } from '../../src/jobs/page-text.ts'

describe('the text of a page', () => {
  it.each([
    ['<p>Grüezi   <b>mitenand</b></p>', 'Grüezi mitenand'],
    ['a<STYLE media="x">p{}</Style >b<script>if (1 < 2) {}</script>c', 'a b c'],
    ['<scripture>text</scripture>', 'text'],
    ['text <script>never closed', 'text'],
    ['text <p', 'text'],
    ['no tags', 'no tags'],
    ['<!-- hidden --><p title="a > b">5 &lt; 6 &amp; 7&nbsp;€</p>', '5 < 6 & 7 €'],
    ['<script>"</scr" + "ipt>"; "<p>"</script>shown', 'shown'],
    ['<ul><li>one</li><li>two</li></ul>', 'one two'],
    ['', ''],
  ])('of %j is %j', (html, text) => {
    expect(pageText(html)).toBe(text)
  })

  it.each([
    '<script ',
    '<script>',
    '<',
    '</script',
    '<script></script ',
    '<div>',
    '<div></p>',
    '<i></b>',
    '<table><tr>',
    '<svg><title>',
    '&am',
    '<a x=',
  ])('takes linear time for %j repeated', (part) => {
    const cpuMs = (repeats: number): number => {
      const html = part.repeat(repeats)
      const start = process.cpuUsage()
      pageText(html)
      const { user, system } = process.cpuUsage(start)
      return (user + system) / 1000
    }
    cpuMs(1_000)
    // In quadratic time, 100 times the text would take 10,000 times as long, which is minutes.
    expect(cpuMs(1_000_000)).toBeLessThan(5_000)
  })
})

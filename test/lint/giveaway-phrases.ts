/**
 * Phrases that sound translated, and British spellings, each with what to write instead. A word with a legitimate use
 * is not listed. Regular expressions: whole words, in any case, also across a line break in a comment.
 */
export const giveawayPhrases: readonly (readonly [phrase: string, instead: string])[] = [
  // Words that no engineer says
  ['anew', 'again'],
  ['(?:any|every|no|some)body', 'anyone, everyone, no one, someone; or name who: the caller, the sender'],
  ['as (?:it is|they are)(?=[.,:;)"\']| and)', 'unchanged'],
  ['as far as (?:it is|they are) known', 'if known, or cut it'],
  ['at the latest', 'by, within, no later than'],
  ['bears? to', 'can'],
  ['beside', 'alongside, next to, in addition to'],
  ['buried', 'moved to the dead letters'],
  ['but for', 'except'],
  ['by (?:itself|themselves)', 'automatically, alone, on its own'],
  ['by chance', 'at random'],
  ['comes? again', 'is retried'],
  ['exists? already', 'already exists'],
  ['for ever', 'indefinitely'],
  ['goes on(?! the wire)|going on', 'continues, keeps running'],
  ['have a look', 'inspect, see'],
  ['in the end', 'eventually, or cut it'],
  ['(?<!here )is no (?!longer\\b)[a-z]', 'is not a'],
  ['mend(?:s|ed|ing)?', 'fix'],
  ["of (?:its|one's|our|their) own", 'its own, separate, custom'],
  ['once more', 'again'],
  ['out of reach', 'unavailable'],
  ['tells? of|told(?! apart)', 'report, notify, say'],
  ['there already (?:is|are)', 'already exists'],
  ['twice over', 'twice'],
  ['under way', 'in progress'],
  ['who(?:ever|soever)', 'anyone who; or name who'],
  ['hereby|thereby|thereof|wherein|whereby', 'cut it'],

  // British spellings: Node and Fastify write American English
  ['\\w*(?:behaviour|colour|favour|honour|neighbour)\\w*', '-or'],
  ['(?:un)?licence[sd]?', 'license'],
  ['artefacts?', 'artifact'],
  ['centres?', 'center'],
  ['defences?', 'defense'],
  ['full stops?', 'period'],
  ['half-way', 'halfway'],
  ['judgement', 'judgment'],
  ['learnt|(?:mis)?spelt', 'learned, spelled'],
  ['start-up', 'startup'],
  ['whilst|amongst', 'while, among'],
  ['white space', 'whitespace'],
  [
    '[a-z]*(?:author|custom|final|general|initial|minim|maxim|normal|optim|organ|recogn|serial|summar|synchron|util)is(?:e[drs]?|ing|ation)',
    '-ize',
  ],
  ['\\w*analys(?:e[dr]?|ing)', 'analyze'],
]

import Type from 'typebox';
import { mayRefuse, OPERATOR_CALL } from '../fields.ts';
import { Figures } from './reading-schema.ts';

const Events = Type.String({
  description: 'The data of each `figures` event is JSON as in `contentSchema`',
  contentMediaType: 'application/json',
  contentSchema: Figures,
});

export const Live = {
  ...OPERATOR_CALL,
  summary: 'Live figures of all live sales, as server-sent events',
  description:
    'One `figures` event a second, with JSON. The first one has all figures. In later ones a sale has only the fields that have changed, and `gone` lists the sales that are not live any more. ' +
    'A sale is live from 10 minutes before its start to 10 minutes after its end, and while it has a backlog. ' +
    'Counts are totals over all processes: their difference to an earlier event gives a rate. Null means that the server with the figure does not answer.',
  ...mayRefuse('overloaded'),
  produces: ['text/event-stream'],
  response: { 200: { content: { 'text/event-stream': { schema: Events } } } as object },
};

import { camelCase } from './camel-case.ts';
import { commentWidth } from './comment-width.ts';

/** The plugin of oxlint with the rules of this project. */
export default { meta: { name: 'house' }, rules: { 'camel-case': camelCase, 'comment-width': commentWidth } };

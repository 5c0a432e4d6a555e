import { CopyButton } from '../CopyButton';

export function CodeBlock({ code, language }: { code: string; language: string }) {
  return (
    <div className="md-code">
      <div className="md-code-bar">
        <span>{language}</span>
        <CopyButton text={code} />
      </div>
      <pre tabIndex={0}>
        <code>{code}</code>
      </pre>
    </div>
  );
}

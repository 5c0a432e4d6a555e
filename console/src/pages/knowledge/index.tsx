import { useParams } from 'react-router';
import { BaseList } from './BaseList';
import { BaseView } from './BaseView';
import './knowledge.css';

export default function KnowledgePage() {
  const { baseId } = useParams();
  return <div className="page">{baseId ? <BaseView key={baseId} id={baseId} /> : <BaseList />}</div>;
}

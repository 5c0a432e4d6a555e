import { Button } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { PlusOutlined } from '@/components/icons';
import { useCreateProject, useProjects } from '@/api/admin';
import { useWhoAmI } from '@/api/server';
import { NameDialog } from '@/components/NameDialog';
import { PageHead } from '@/components/PageHead';
import { ErrorState, LoadingState } from '@/components/states';
import { KeyList } from './KeyList';
import './keys.css';

/** In the address: ?project= for the project whose keys are shown; one's own at first. */
export default function KeysPage() {
  const { t } = useTranslation();
  const who = useWhoAmI().data;
  const projects = useProjects(who?.admin ?? false);
  const create = useCreateProject();
  const [parameters, setParameters] = useSearchParams();
  const [dialog, setDialog] = useState(false);

  const wanted = parameters.get('project') ?? who?.project.id;
  const project = projects.data?.find((candidate) => candidate.id === wanted) ?? projects.data?.[0];
  const show = (id: string): void => setParameters({ project: id }, { replace: true });

  let content;
  if (projects.error) content = <ErrorState error={projects.error} retry={() => void projects.refetch()} />;
  else if (!projects.data) content = <LoadingState />;
  else {
    content = (
      <div className="keys">
        <nav className="projects" aria-label={t('keys.projects')}>
          <h2>{t('keys.projects')}</h2>
          <ul>
            {projects.data.map((candidate) => (
              <li key={candidate.id}>
                <button type="button" className="bare" aria-current={candidate.id === project?.id} onClick={() => show(candidate.id)}>
                  {candidate.name}
                </button>
              </li>
            ))}
          </ul>
        </nav>
        {project && <KeyList key={project.id} project={project} />}
      </div>
    );
  }
  const open = (): void => {
    create.reset();
    setDialog(true);
  };
  return (
    <div className="page">
      <PageHead title={t('keys.title')} text={t('keys.text')}>
        <Button icon={<PlusOutlined />} onClick={open}>
          {t('keys.newProject')}
        </Button>
      </PageHead>
      {content}
      <NameDialog
        open={dialog}
        title={t('keys.newProject')}
        hint={t('keys.projectHint')}
        busy={create.isPending}
        error={create.error}
        onSubmit={(name) =>
          create.mutate(name, {
            onSuccess: (created) => {
              setDialog(false);
              show(created.id);
            },
          })
        }
        onClose={() => setDialog(false)}
      />
    </div>
  );
}
